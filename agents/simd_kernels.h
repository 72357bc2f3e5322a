// The few loops that a small policy network costs, for the widest vectors of the CPU at hand. Every
// row of a product is summed in the same order whatever the number of rows, so a policy gives a
// sample the same bits alone and in a minibatch.
#pragma once

#include <cstdint>
#include <vector>

namespace v2r {

enum class Activation { kTanh, kRelu, kElu };

// Widths below are rounded up to this many floats; what lies between is zero.
constexpr int64_t kSimdPad = 16;
constexpr int64_t SimdPadded(int64_t n) { return (n + kSimdPad - 1) / kSimdPad * kSimdPad; }

// One step of Adam, Kingma and Ba 2015 (arXiv:1412.6980), as torch.optim.Adam writes it.
struct AdamStep {
  float step_size;        // learning rate / (1 - beta1^t)
  float one_minus_beta1;  // rounded from double, as torch does
  float beta2, one_minus_beta2;
  float inverse_correction2_sqrt;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float grad_scale;  // factor on the gradient, of the clipping
};

// Pointers may have any alignment. n, ldb and ldc are multiples of kSimdPad.
struct SimdKernels {
  const char* name;  // "avx512", "avx2", "baseline"
  // c[i,j] = bias[j] + sum_k a[i*a_row + k*a_col] * b[k*ldb + j] for i < m, j < n; bias null = 0.
  void (*gemm)(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col,
               const float* b, int64_t ldb, const float* bias, float* c, int64_t ldc);
  // out[j*ld_out + i] = in[i*ld_in + j] for i < rows, j < cols, zero up to SimdPadded(rows).
  void (*transpose)(int64_t rows, int64_t cols, const float* in, int64_t ld_in, float* out,
                    int64_t ld_out);
  // out[j] = sum_i a[i*lda + j], j < n.
  void (*column_sums)(int64_t rows, int64_t n, const float* a, int64_t lda, float* out);
  // x = activation(x), size a multiple of kSimdPad. tanh and elu are right to 2e-7 absolute.
  void (*activate)(Activation activation, float* x, int64_t size);
  // grad *= activation'(z), expressed by the activation's output y; size a multiple of kSimdPad.
  void (*activate_backward)(Activation activation, const float* y, float* grad, int64_t size);
  double (*sum_of_squares)(const float* x, int64_t size);
  // Updates parameters, both moments and, by the factor alone, the gradient.
  void (*adam)(const AdamStep& step, int64_t size, float* parameters, float* grads, float* exp_avg,
               float* exp_avg_sq);
};

// All that this CPU can run, the widest first.
const std::vector<SimdKernels>& AvailableSimdKernels();

}  // namespace v2r
