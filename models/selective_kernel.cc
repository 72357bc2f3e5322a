#include "models/selective_kernel.h"

#include <algorithm>
#include <cmath>

namespace v2r {
namespace {

constexpr int64_t kMinDim = 32;

torch::nn::Conv2d Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

// streams [B,2F,H,W] -> [2,B,F,H,W].
torch::Tensor Split(const torch::Tensor& streams) {
  const auto parts = streams.chunk(2, 1);
  return torch::stack({parts[0], parts[1]});
}

// logits [B,2F,1,1] -> [2,B,F,1,1].
torch::Tensor Softmax(const torch::Tensor& logits) { return torch::softmax(Split(logits), 0); }

}  // namespace

SelectiveKernelImpl::SelectiveKernelImpl(int64_t in, int64_t filters, int64_t stride,
                                         double ratio) {
  const int64_t mid =
      std::max(static_cast<int64_t>(std::floor(static_cast<double>(filters) * ratio)), kMinDim);
  conv_ = register_module("conv", Convolution(in, 2 * filters, 3, stride));
  norm_ = register_module("bn", SplitBatchNorm2d(2 * filters));
  reduce_ = register_module("conv_0", Convolution(filters, mid, 1, 1));
  reduce_norm_ = register_module("bn1", SplitBatchNorm2d(mid));
  expand_ = register_module("conv_1", Convolution(mid, 2 * filters, 1, 1));
}

torch::Tensor SelectiveKernelImpl::Mixing(const torch::Tensor& streams) {
  const auto pooled = Split(streams).sum(0).mean({2, 3}, /*keepdim=*/true);
  return Softmax(expand_->forward(torch::relu(reduce_norm_->forward(reduce_->forward(pooled)))));
}

torch::Tensor SelectiveKernelImpl::forward(torch::Tensor x) {
  const auto streams = torch::relu(norm_->forward(conv_->forward(x)));
  return (Split(streams) * Mixing(streams)).sum(0);
}

InferencePlan::Value SelectiveKernelImpl::Trace(InferencePlan& plan,
                                                const InferencePlan::Value& x) const {
  const torch::NoGradGuard no_grad;
  const auto streams = plan.Conv(x, conv_, AsBatchNorm(norm_), true);
  const auto frozen = [&](const torch::Tensor& t) { return t.detach().to(torch::kDouble); };
  const auto factor = frozen(reduce_norm_->weight) /
                      (frozen(reduce_norm_->running_var) + reduce_norm_->options.eps()).sqrt();
  const auto bias = frozen(reduce_norm_->bias) - frozen(reduce_norm_->running_mean) * factor;
  const auto on_plan = [&](const torch::Tensor& t) { return t.to(plan.device(), torch::kFloat); };
  const auto reduce = on_plan(frozen(reduce_->weight) * factor.view({-1, 1, 1, 1}));
  const auto reduce_bias = on_plan(bias);
  const auto expand = on_plan(frozen(expand_->weight));
  // The mixing stays float32: it is small.
  return plan.CallPicture(
      streams, streams.channels / 2, streams.height, streams.width, [=](const torch::Tensor& y) {
        const auto parts = Split(y);
        const auto pooled = parts.to(torch::kFloat).sum(0).mean({2, 3}, /*keepdim=*/true);
        const auto mid = torch::relu(torch::conv2d(pooled, reduce, reduce_bias));
        return (parts * Softmax(torch::conv2d(mid, expand)).to(parts.scalar_type())).sum(0);
      });
}

}  // namespace v2r
