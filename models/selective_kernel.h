// Selective kernels (Li et al. 2019) as SimCLR v2 builds them: SK_Conv2D of google-research/simclr
// tf2/resnet.py.
#pragma once

#include <torch/torch.h>

#include "models/plan.h"
#include "models/split_batchnorm.h"

namespace v2r {

// A 3x3 convolution to 2F channels with BatchNorm and ReLU gives two streams; the mean over the
// picture of their sum goes through two 1x1 convolutions (max(F * ratio, 32) channels between) and
// a softmax over the streams that says how much of each stream every channel gets.
// x [B,C,H,W] -> [B,F,H/stride,W/stride]. Parameters conv, bn, conv_0, bn1, conv_1.
class SelectiveKernelImpl : public torch::nn::Module {
 public:
  SelectiveKernelImpl(int64_t in, int64_t filters, int64_t stride, double ratio);
  torch::Tensor forward(torch::Tensor x);
  // Of the two streams [B,2F,H,W] after ReLU: [2,B,F,1,1], positive, sums over the first are 1.
  torch::Tensor Mixing(const torch::Tensor& streams);
  InferencePlan::Value Trace(InferencePlan& plan, const InferencePlan::Value& x) const;

 private:
  torch::nn::Conv2d conv_{nullptr}, reduce_{nullptr}, expand_{nullptr};
  SplitBatchNorm2d norm_{nullptr}, reduce_norm_{nullptr};
};
TORCH_MODULE(SelectiveKernel);

}  // namespace v2r
