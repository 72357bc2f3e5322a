// A small fully connected network on one CPU thread: the same passes as agents/mlp.h on plain
// memory, without an operator call. Nothing is allocated once the buffers have grown.
#pragma once

#include <cstdint>
#include <vector>

#include "agents/simd_kernels.h"

namespace v2r {

class FusedMlp {
 public:
  // One linear layer y = x weight^T + bias, weight [out,in] row-major; the memory is the caller's.
  struct Layer {
    int64_t in = 0, out = 0;
    const float* weight = nullptr;
    const float* bias = nullptr;
    float* weight_grad = nullptr;
    float* bias_grad = nullptr;
  };

  // The activation stands between the layers, and after the last if `activate_last`.
  FusedMlp(std::vector<Layer> layers, Activation activation, bool activate_last,
           const SimdKernels& kernels);

  // To be called whenever weights or biases have changed.
  void Refresh();
  // x: `rows` rows, `stride` floats apart.
  void Forward(const float* x, int64_t stride, int64_t rows);
  const float* output() const { return states_.back().output.data(); }  // [rows, stride()]
  int64_t stride() const { return states_.back().width; }
  // Where Backward finds d loss / d output, [rows, stride()]; the padding stays zero.
  float* grad_output() { return states_.back().grad.data(); }
  // After Forward of the same rows: overwrites the layers' gradients. Each row of x is readable up
  // to SimdPadded(in). `grad_x` [rows, SimdPadded(in)] or null.
  void Backward(const float* x, int64_t stride, int64_t rows, float* grad_x);

 private:
  struct State {
    int64_t width = 0;                // SimdPadded(out)
    std::vector<float> transposed;    // [in, width]
    std::vector<float> bias;          // [width]
    std::vector<float> weight;        // [out, SimdPadded(in)], where `in` needs padding
    std::vector<float> output, grad;  // [rows, width]
  };

  std::vector<Layer> layers_;
  std::vector<State> states_;
  std::vector<float> scratch_;
  Activation activation_;
  bool activate_last_;
  const SimdKernels& kernels_;
};

}  // namespace v2r
