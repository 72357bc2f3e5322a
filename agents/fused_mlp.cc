#include "agents/fused_mlp.h"

#include <algorithm>

#include "core/error.h"

namespace v2r {

FusedMlp::FusedMlp(std::vector<Layer> layers, Activation activation, bool activate_last,
                   const SimdKernels& kernels)
    : layers_(std::move(layers)),
      states_(layers_.size()),
      activation_(activation),
      activate_last_(activate_last),
      kernels_(kernels) {
  V2R_CHECK(!layers_.empty());
  int64_t scratch = 0;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    State& state = states_[l];
    state.width = SimdPadded(layer.out);
    state.transposed.resize(static_cast<size_t>(layer.in * state.width));
    state.bias.resize(static_cast<size_t>(state.width));
    if (SimdPadded(layer.in) != layer.in)
      state.weight.resize(static_cast<size_t>(layer.out * SimdPadded(layer.in)));
    scratch = std::max({scratch, layer.out * SimdPadded(layer.in), state.width});
  }
  scratch_.resize(static_cast<size_t>(scratch));
  Refresh();
}

void FusedMlp::Refresh() {
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    State& state = states_[l];
    kernels_.transpose(layer.out, layer.in, layer.weight, layer.in, state.transposed.data(),
                       state.width);
    std::copy_n(layer.bias, layer.out, state.bias.begin());
    if (state.weight.empty()) continue;
    for (int64_t o = 0; o < layer.out; ++o)
      std::copy_n(layer.weight + o * layer.in, layer.in,
                  state.weight.begin() + o * SimdPadded(layer.in));
  }
}

void FusedMlp::Forward(const float* x, int64_t stride, int64_t rows) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    State& state = states_[l];
    const auto size = static_cast<size_t>(rows * state.width);
    if (state.output.size() < size) {
      state.output.resize(size);
      state.grad.resize(size);
    }
    kernels_.gemm(rows, state.width, layers_[l].in, x, stride, 1, state.transposed.data(),
                  state.width, state.bias.data(), state.output.data(), state.width);
    if (l + 1 < layers_.size() || activate_last_)
      kernels_.activate(activation_, state.output.data(), rows * state.width);
    x = state.output.data();
    stride = state.width;
  }
}

void FusedMlp::Backward(const float* x, int64_t stride, int64_t rows, float* grad_x) {
  for (size_t l = layers_.size(); l-- > 0;) {
    const Layer& layer = layers_[l];
    State& state = states_[l];
    float* grad = state.grad.data();
    if (l + 1 < layers_.size() || activate_last_)
      kernels_.activate_backward(activation_, state.output.data(), grad, rows * state.width);
    const float* in = l == 0 ? x : states_[l - 1].output.data();
    const int64_t in_stride = l == 0 ? stride : states_[l - 1].width;
    const int64_t in_width = SimdPadded(layer.in);
    const bool padded = in_width != layer.in;
    float* weight_grad = padded ? scratch_.data() : layer.weight_grad;
    kernels_.gemm(layer.out, in_width, rows, grad, 1, state.width, in, in_stride, nullptr,
                  weight_grad, in_width);
    if (padded) {
      for (int64_t o = 0; o < layer.out; ++o)
        std::copy_n(weight_grad + o * in_width, layer.in, layer.weight_grad + o * layer.in);
    }
    kernels_.column_sums(rows, state.width, grad, state.width, scratch_.data());
    std::copy_n(scratch_.data(), layer.out, layer.bias_grad);
    float* grad_in = l == 0 ? grad_x : states_[l - 1].grad.data();
    if (grad_in == nullptr) continue;
    kernels_.gemm(rows, in_width, layer.out, grad, state.width, 1,
                  padded ? state.weight.data() : layer.weight, in_width, nullptr, grad_in,
                  in_width);
  }
}

}  // namespace v2r
