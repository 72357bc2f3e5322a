#include "agents/fused_policy.h"

namespace v2r {

FusedPolicy::FusedPolicy(Layers layers, Activation activation, const SimdKernels& kernels)
    : kernels_(kernels),
      actor_(std::move(layers.actor), activation, false, kernels),
      critic_(std::move(layers.critic), activation, false, kernels) {
  if (!layers.trunk.empty()) trunk_.emplace(std::move(layers.trunk), activation, true, kernels);
}

void FusedPolicy::Refresh() {
  if (trunk_) trunk_->Refresh();
  actor_.Refresh();
  critic_.Refresh();
}

void FusedPolicy::Forward(const float* x, int64_t stride, int64_t rows) {
  if (trunk_) {
    trunk_->Forward(x, stride, rows);
    x = trunk_->output();
    stride = trunk_->stride();
  }
  actor_.Forward(x, stride, rows);
  critic_.Forward(x, stride, rows);
}

void FusedPolicy::ForwardCritic(const float* x, int64_t stride, int64_t rows) {
  if (trunk_) {
    trunk_->Forward(x, stride, rows);
    x = trunk_->output();
    stride = trunk_->stride();
  }
  critic_.Forward(x, stride, rows);
}

void FusedPolicy::Backward(const float* x, int64_t stride, int64_t rows) {
  if (!trunk_) {
    actor_.Backward(x, stride, rows, nullptr);
    critic_.Backward(x, stride, rows, nullptr);
    return;
  }
  const auto size = static_cast<size_t>(rows * trunk_->stride());
  if (critic_grad_.size() < size) critic_grad_.resize(size);
  float* grad = trunk_->grad_output();
  actor_.Backward(trunk_->output(), trunk_->stride(), rows, grad);
  critic_.Backward(trunk_->output(), trunk_->stride(), rows, critic_grad_.data());
  for (size_t i = 0; i < size; ++i) grad[i] += critic_grad_[i];
  trunk_->Backward(x, stride, rows, nullptr);
}

}  // namespace v2r
