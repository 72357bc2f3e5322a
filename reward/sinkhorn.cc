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

// One round over the rows of a kernel [n,m]: s_i = weight / (kernel_i . t), and what these make of
// the columns, sums_j = sum_i s_i kernel_ij, while a row is at hand. Sums in eight parts.
V2R_FOR_EACH_CPU void Round(const double* kernel, const double* t, int64_t n, int64_t m,
                            double weight, double* __restrict s, double* __restrict sums) {
  constexpr int64_t kParts = 8;
  for (int64_t j = 0; j < m; ++j) sums[j] = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double* row = kernel + i * m;
    double parts[kParts] = {0};
    int64_t j = 0;
    for (; j + kParts <= m; j += kParts) {
      for (int64_t k = 0; k < kParts; ++k) parts[k] += row[j + k] * t[j + k];
    }
    for (; j < m; ++j) parts[0] += row[j] * t[j];
    const double sum = ((parts[0] + parts[4]) + (parts[1] + parts[5])) +
                       ((parts[2] + parts[6]) + (parts[3] + parts[7]));
    const double factor = weight / sum;
    s[i] = factor;
    for (int64_t k = 0; k < m; ++k) sums[k] += factor * row[k];
  }
}

// One problem. Plan = exp(log_k + f + g) = s_i * kernel_ij * t_j, kernel = exp(log_k + f + g at the
// last time it was rebuilt); it lies where the plan will.
class Problem {
 public:
  Problem(const double* log_k, double* plan, int64_t n, int64_t m)
      : log_k_(log_k), kernel_(plan), n_(n), m_(m), f_(n), g_(m), s_(n), t_(m), sums_(m) {}

  void Solve(int64_t iterations) {
    for (int64_t j = 0; j < m_; ++j) g_[j] = -log_k_[j];
    for (int64_t i = 1; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) g_[j] = std::min(g_[j], -log_k_[i * m_ + j]);
    }
    Rebuild();
    const double row_weight = 1.0 / static_cast<double>(n_);
    const double column_weight = 1.0 / static_cast<double>(m_);
    for (int64_t k = 0; k < iterations; ++k) {
      bool good = true;
      for (int64_t j = 0; j < m_; ++j) {
        t_[j] = column_weight / sums_[j];
        good &= InRange(t_[j]);
      }
      if (good) {
        Round(kernel_, t_.data(), n_, m_, row_weight, s_.data(), sums_.data());
        for (const double factor : s_) good &= InRange(factor);
        if (good) continue;
        for (int64_t j = 0; j < m_; ++j) g_[j] += std::log(t_[j]);
      } else {
        for (int64_t i = 0; i < n_; ++i) f_[i] += std::log(s_[i]);
        Columns();
      }
      Rows();
      Rebuild();
    }
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < m_; ++j) kernel_[i * m_ + j] *= s_[i] * t_[j];
    }
  }

 private:
  static bool InRange(double factor) { return factor > 1 / kRange && factor < kRange; }
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
    const auto type = torch::TensorOptions(torch::kDouble);
    const auto f = torch::from_blob(f_.data(), {n_, 1}, type);
    const auto g = torch::from_blob(g_.data(), {1, m_}, type);
    auto kernel = torch::from_blob(kernel_, {n_, m_}, type);
    torch::add_out(kernel, torch::from_blob(const_cast<double*>(log_k_), {n_, m_}, type), f);
    kernel.add_(g).exp_();
    std::fill(s_.begin(), s_.end(), 1.0);
    std::fill(t_.begin(), t_.end(), 1.0);
    torch::from_blob(sums_.data(), {m_}, type).copy_(kernel.sum(0));
  }

  const double* log_k_;
  double* kernel_;
  int64_t n_, m_;
  std::vector<double> f_, g_, s_, t_, sums_;
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
      Problem(from + b * n * m, to + b * n * m, n, m).Solve(iterations);
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
