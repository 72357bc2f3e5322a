#include "agents/mlp.h"

#include "core/error.h"

namespace v2r {
namespace {

// tanh(z) = 2 sigmoid(2z) - 1, z doubled by the caller: ATen's tanh costs nine times its sigmoid on
// a CPU, and the absolute error stays within one unit of float32's last place at 1.
void TanhOfHalf(torch::Tensor& doubled) { doubled.sigmoid_().mul_(2.0).sub_(1.0); }

// grad *= activation'(z), expressed by the activation's output y.
void ActivationBackward(Activation activation, const torch::Tensor& y, torch::Tensor& grad) {
  switch (activation) {
    case Activation::kTanh:
      at::tanh_backward_out(grad, grad, y);
      return;
    case Activation::kRelu:
      at::threshold_backward_out(grad, grad, y, 0.0);
      return;
    case Activation::kElu:
      at::elu_backward_out(grad, grad, 1.0, 1.0, 1.0, /*is_result=*/true, y);
      return;
  }
}

}  // namespace

Activation ParseActivation(const std::string& name) {
  if (name == "tanh") return Activation::kTanh;
  if (name == "relu") return Activation::kRelu;
  if (name == "elu") return Activation::kElu;
  ThrowUser("unknown activation '{}' (known: tanh, relu, elu)", name);
}

Mlp::Mlp(std::vector<LinearView> layers, Activation activation, bool activate_last)
    : layers_(std::move(layers)), activation_(activation), activate_last_(activate_last) {
  V2R_CHECK(!layers_.empty());
  for (const LinearView& layer : layers_) transposed_.push_back(layer.weight.t());
}

Mlp::Buffers Mlp::MakeBuffers(int64_t rows) const {
  Buffers buffers;
  buffers.rows = rows;
  for (size_t l = 0; l < layers_.size(); ++l) {
    buffers.outputs.push_back(
        torch::empty({rows, layers_[l].weight.size(0)}, layers_[l].weight.options()));
    if (l + 1 < layers_.size() || activate_last_)
      buffers.grads.push_back(torch::empty_like(buffers.outputs.back()));
  }
  return buffers;
}

void Mlp::Forward(const torch::Tensor& x, Buffers& buffers) const {
  const c10::InferenceMode inference;
  V2R_CHECK_EQ(x.size(0), buffers.rows);
  for (size_t l = 0; l < layers_.size(); ++l) {
    const torch::Tensor& in = l == 0 ? x : buffers.outputs[l - 1];
    torch::Tensor& out = buffers.outputs[l];
    const bool hidden = l + 1 < layers_.size() || activate_last_;
    const double scale = hidden && activation_ == Activation::kTanh ? 2.0 : 1.0;
    at::addmm_out(out, layers_[l].bias, in, transposed_[l], scale, scale);
    if (!hidden) continue;
    switch (activation_) {
      case Activation::kTanh:
        TanhOfHalf(out);
        break;
      case Activation::kRelu:
        out.relu_();
        break;
      case Activation::kElu:
        at::elu_(out);
        break;
    }
  }
}

void Mlp::Backward(const torch::Tensor& x, const torch::Tensor& grad_output, Buffers& buffers,
                   torch::Tensor* grad_x) const {
  const c10::InferenceMode inference;
  V2R_CHECK_EQ(grad_output.size(0), buffers.rows);
  if (activate_last_) {
    buffers.grads.back().copy_(grad_output);
    ActivationBackward(activation_, buffers.outputs.back(), buffers.grads.back());
  }
  for (size_t l = layers_.size(); l-- > 0;) {
    const torch::Tensor& grad = l < buffers.grads.size() ? buffers.grads[l] : grad_output;
    const torch::Tensor& in = l == 0 ? x : buffers.outputs[l - 1];
    torch::Tensor weight_grad = layers_[l].weight_grad, bias_grad = layers_[l].bias_grad;
    at::mm_out(weight_grad, grad.t(), in);
    at::sum_out(bias_grad, grad, {0});
    if (l == 0) {
      if (grad_x != nullptr) at::mm_out(*grad_x, grad, layers_[l].weight);
      return;
    }
    at::mm_out(buffers.grads[l - 1], grad, layers_[l].weight);
    ActivationBackward(activation_, in, buffers.grads[l - 1]);
  }
}

}  // namespace v2r
