// Batch normalisation over parts of a batch: what several small processes would compute, on one.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace v2r {

// BatchNorm2d that, in training, takes its statistics over `splits` parts of the batch: part s has
// the samples n with n mod splits == s. The running statistics move by the mean over the parts
// (SplitBatchNorm of facebookresearch/moco's CIFAR-10 notebook). It keeps a contrastive method from
// telling the positive by the statistics of its batch. splits = 1 is BatchNorm2d.
class SplitBatchNorm2dImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using torch::nn::BatchNorm2dImpl::BatchNorm2dImpl;
  // x float [N,C,H,W]; Error: N is no multiple of splits.
  torch::Tensor forward(const torch::Tensor& x);
  int64_t splits = 1;
};
TORCH_MODULE(SplitBatchNorm2d);

// Sets `splits` of every SplitBatchNorm2d in `module`; how many there are.
int64_t SetBatchNormSplits(torch::nn::Module& module, int64_t splits);
// The same layer by the name of its base, for what only reads it.
torch::nn::BatchNorm2d AsBatchNorm(const SplitBatchNorm2d& norm);

}  // namespace v2r
