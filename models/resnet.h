// ResNet-18/34/50 with torchvision's layer names and numerics (torchvision/models/resnet.py; He et
// al. 2016, the stride of a bottleneck on its 3x3 convolution).
#pragma once

#include <torch/torch.h>

#include <array>
#include <vector>

#include "models/encoder.h"
#include "models/split_batchnorm.h"

namespace v2r {

// Basic block (two 3x3) or bottleneck (1x1, 3x3, 1x1 with four times the channels).
class ResBlockImpl : public torch::nn::Module {
 public:
  ResBlockImpl(int64_t in, int64_t planes, int64_t stride, bool bottleneck);
  torch::Tensor forward(torch::Tensor x);
  int64_t out_channels() const { return convs_.back()->options.out_channels(); }

  std::vector<torch::nn::Conv2d> convs_;        // conv1, conv2(, conv3)
  std::vector<SplitBatchNorm2d> norms_;         // bn1, bn2(, bn3)
  torch::nn::Conv2d downsample_conv_{nullptr};  // downsample.0
  SplitBatchNorm2d downsample_norm_{nullptr};   // downsample.1
};
TORCH_MODULE(ResBlock);

class ResNetImpl : public EncoderNetImpl {
 public:
  ResNetImpl(const EncoderSpec& spec, const std::array<int64_t, 4>& blocks, bool bottleneck);
  torch::Tensor forward(torch::Tensor x) override;
  // The parts of forward: stem (conv1, bn1, ReLU, 3x3/2 max pool) -> [B,64w,H/4,W/4]; layer 0..3;
  // pooled features [B,F].
  torch::Tensor Stem(torch::Tensor x);
  torch::Tensor Layer(int index, torch::Tensor x);
  torch::Tensor Pool(torch::Tensor x) const;
  torch::nn::Linear last_linear() override { return fc_; }
  int64_t output_dim() const override { return output_dim_; }
  void Trace(InferencePlan& plan) const override;

 private:
  torch::nn::Conv2d conv1_{nullptr};
  SplitBatchNorm2d bn1_{nullptr};
  std::array<std::vector<ResBlock>, 4> layers_;
  torch::nn::Linear fc_{nullptr};
  int64_t output_dim_ = 0;
};

// spec.arch resnet18, resnet34 or resnet50.
EncoderNet MakeResNet(const EncoderSpec& spec);

}  // namespace v2r
