#include "reward/sinkhorn.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"

// One version of the inner loop for each kind of processor, chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define V2R_FOR_EACH_CPU \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#else
#define V2R_FOR_EACH_CPU
#endif

namespace v2r {
namespace {

constexpr double kForbidden = -1e6;  // the exponent of a pair that carries no mass
constexpr double kRange = 1e100;     // scaling factors beyond this become logarithms

// out[j] = sum_i w[i] * m[i,j]; four rows at a time.
V2R_FOR_EACH_CPU void WeightedRows(const double* m, const double* w, int64_t rows, int64_t cols,
                                   double* __restrict out) {
  for (int64_t j = 0; j < cols; ++j) out[j] = 0;
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const double *a = m + i * cols, *b = a + cols, *c = b + cols, *d = c + cols;
    const double wa = w[i], wb = w[i + 1], wc = w[i + 2], wd = w[i + 3];
    for (int64_t j = 0; j < cols; ++j) out[j] += wa * a[j] + wb * b[j] + (wc * c[j] + wd * d[j]);
  }
  for (; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) out[j] += w[i] * m[i * cols + j];
  }
}

// One problem. Plan = exp(log_k + f + g) = s_i * kernel_ij * t_j, kernel = exp(log_k + f + g at the
// last time they were rebuilt).
class Problem {
 public:
  Problem(const double* log_k, int64_t n, int64_t m)
      : log_k_(log_k), n_(n), m_(m), f_(n), g_(m), s_(n), t_(m), kernel_(n * m), turned_(n * m) {}

  void Solve(int64_t iterations, double* plan) {
    Columns();
    Rows();
    Rebuild();
    for (int64_t k = 1; k < iterations; ++k) {
      // t = (1/m) / (kernel^T s), s = (1/n) / (kernel t)
      WeightedRows(kernel_.data(), s_.data(), n_, m_, t_.data());
      if (!Divide(1.0 / static_cast<double>(m_), t_)) {
        Absorb(f_, s_);
        Columns();
        Rows();
        Rebuild();
        continue;
      }
      WeightedRows(turned_.data(), t_.data(), m_, n_, s_.data());
      if (!Divide(1.0 / static_cast<double>(n_), s_)) {
        Absorb(g_, t_);
        Rows();
        Rebuild();
      }
    }
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) plan[i * m_ + j] = s_[i] * kernel_[i * m_ + j] * t_[j];
    }
  }

 private:
  // values = weight / values; false when one leaves the range.
  static bool Divide(double weight, std::vector<double>& values) {
    bool good = true;
    for (double& value : values) {
      value = weight / value;
      good &= value > 1 / kRange && value < kRange;
    }
    return good;
  }
  static void Absorb(std::vector<double>& logs, const std::vector<double>& factors) {
    for (size_t i = 0; i < logs.size(); ++i) logs[i] += std::log(factors[i]);
  }
  // g_j = log(1/m) - logsumexp_i(log_k + f)
  void Columns() {
    std::vector<double> top(m_, -std::numeric_limits<double>::infinity()), sum(m_, 0.0);
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) top[j] = std::max(top[j], log_k_[i * m_ + j] + f_[i]);
    }
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) sum[j] += std::exp(log_k_[i * m_ + j] + f_[i] - top[j]);
    }
    for (int64_t j = 0; j < m_; ++j)
      g_[j] = -std::log(static_cast<double>(m_)) - top[j] - std::log(sum[j]);
  }
  // f_i = log(1/n) - logsumexp_j(log_k + g)
  void Rows() {
    for (int64_t i = 0; i < n_; ++i) {
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t j = 0; j < m_; ++j) top = std::max(top, log_k_[i * m_ + j] + g_[j]);
      for (int64_t j = 0; j < m_; ++j) sum += std::exp(log_k_[i * m_ + j] + g_[j] - top);
      f_[i] = -std::log(static_cast<double>(n_)) - top - std::log(sum);
    }
  }
  void Rebuild() {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) {
        kernel_[i * m_ + j] = turned_[j * n_ + i] = std::exp(log_k_[i * m_ + j] + f_[i] + g_[j]);
      }
    }
    std::fill(s_.begin(), s_.end(), 1.0);
    std::fill(t_.begin(), t_.end(), 1.0);
  }

  const double* log_k_;
  int64_t n_, m_;
  std::vector<double> f_, g_, s_, t_, kernel_, turned_;
};

torch::Tensor Exponents(const torch::Tensor& cost, const torch::Tensor& allowed, double epsilon,
                        int64_t iterations) {
  V2R_CHECK(cost.dim() == 3 && cost.size(1) > 0 && cost.size(2) > 0 && epsilon > 0);
  V2R_CHECK(iterations > 0);
  auto log_k = cost.to(torch::kDouble) * (-1 / epsilon);
  if (allowed.defined()) log_k.masked_fill_(allowed.to(cost.device()).logical_not(), kForbidden);
  return log_k.contiguous();
}

}  // namespace

torch::Tensor Sinkhorn(const torch::Tensor& cost, const torch::Tensor& allowed, double epsilon,
                       int64_t iterations) {
  if (!cost.is_cpu()) return SinkhornLogDomain(cost, allowed, epsilon, iterations);
  const torch::NoGradGuard no_grad;
  const auto log_k = Exponents(cost, allowed, epsilon, iterations);
  const int64_t n = cost.size(1), m = cost.size(2);
  auto plan = torch::empty_like(log_k);
  const double* from = log_k.data_ptr<double>();
  double* to = plan.data_ptr<double>();
  at::parallel_for(0, cost.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      Problem(from + b * n * m, n, m).Solve(iterations, to + b * n * m);
    }
  });
  return plan;
}

torch::Tensor SinkhornLogDomain(const torch::Tensor& cost, const torch::Tensor& allowed,
                                double epsilon, int64_t iterations) {
  const torch::NoGradGuard no_grad;
  const auto log_k = Exponents(cost, allowed, epsilon, iterations);
  const double log_a = -std::log(static_cast<double>(cost.size(1)));
  const double log_b = -std::log(static_cast<double>(cost.size(2)));
  auto f = torch::zeros({cost.size(0), cost.size(1), 1}, log_k.options());
  torch::Tensor g;
  for (int64_t k = 0; k < iterations; ++k) {
    g = log_b - torch::logsumexp(log_k + f, 1, /*keepdim=*/true);
    f = log_a - torch::logsumexp(log_k + g, 2, /*keepdim=*/true);
  }
  return torch::exp(log_k + f + g);
}

}  // namespace v2r
