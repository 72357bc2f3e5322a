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

// Four numbers that any address may hold.
typedef double Four __attribute__((vector_size(32), aligned(8), may_alias));

// One round over the rows of a kernel [n,m]: s_i = weight / (kernel_i . t), and what these make of
// the columns, sums_j = sum_i s_i kernel_ij, while the rows are at hand: four at a time, sums in
// parts.
V2R_FOR_EACH_CPU void Round(const double* kernel, const double* t, int64_t n, int64_t m,
                            double weight, double* __restrict s, double* __restrict sums) {
  constexpr int64_t kRows = 4, kColumns = 4;
  for (int64_t j = 0; j < m; ++j) sums[j] = 0;
  const int64_t even = m - m % (2 * kColumns);
  int64_t i = 0;
  for (; i + kRows <= n; i += kRows) {
    const double *a = kernel + i * m, *b = a + m, *c = b + m, *d = c + m;
    Four a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0}, c0 = {0}, c1 = {0}, d0 = {0}, d1 = {0};
    for (int64_t j = 0; j < even; j += 2 * kColumns) {
      const Four t0 = *reinterpret_cast<const Four*>(t + j);
      const Four t1 = *reinterpret_cast<const Four*>(t + j + kColumns);
      a0 += *reinterpret_cast<const Four*>(a + j) * t0;
      b0 += *reinterpret_cast<const Four*>(b + j) * t0;
      c0 += *reinterpret_cast<const Four*>(c + j) * t0;
      d0 += *reinterpret_cast<const Four*>(d + j) * t0;
      a1 += *reinterpret_cast<const Four*>(a + j + kColumns) * t1;
      b1 += *reinterpret_cast<const Four*>(b + j + kColumns) * t1;
      c1 += *reinterpret_cast<const Four*>(c + j + kColumns) * t1;
      d1 += *reinterpret_cast<const Four*>(d + j + kColumns) * t1;
    }
    a0 += a1;
    b0 += b1;
    c0 += c1;
    d0 += d1;
    double row[kRows] = {(a0[0] + a0[1]) + (a0[2] + a0[3]), (b0[0] + b0[1]) + (b0[2] + b0[3]),
                         (c0[0] + c0[1]) + (c0[2] + c0[3]), (d0[0] + d0[1]) + (d0[2] + d0[3])};
    for (int64_t j = even; j < m; ++j) {
      row[0] += a[j] * t[j];
      row[1] += b[j] * t[j];
      row[2] += c[j] * t[j];
      row[3] += d[j] * t[j];
    }
    for (int64_t r = 0; r < kRows; ++r) s[i + r] = row[r] = weight / row[r];
    for (int64_t j = 0; j < m; ++j) {
      sums[j] += (row[0] * a[j] + row[1] * b[j]) + (row[2] * c[j] + row[3] * d[j]);
    }
  }
  for (; i < n; ++i) {
    const double* a = kernel + i * m;
    double row = 0;
    for (int64_t j = 0; j < m; ++j) row += a[j] * t[j];
    s[i] = weight / row;
    for (int64_t j = 0; j < m; ++j) sums[j] += s[i] * a[j];
  }
}

// One problem. Plan = exp(log_k + f + g) = s_i * kernel_ij * t_j, kernel = exp(log_k + f + g at the
// last time it was rebuilt). Its memory serves one problem after the other.
class Problem {
 public:
  Problem(int64_t n, int64_t m)
      : n_(n), m_(m), log_k_(n * m), kernel_(n * m), f_(n), g_(m), s_(n), t_(m), sums_(m) {}

  // cost [n,m] -> plan [n,m]
  void Solve(const torch::Tensor& cost, const torch::Tensor& forbidden, double epsilon,
             int64_t iterations, double* plan) {
    auto log_k = torch::from_blob(log_k_.data(), {n_, m_}, torch::kDouble);
    log_k.copy_(cost).mul_(-1 / epsilon);
    if (forbidden.defined()) log_k.masked_fill_(forbidden, kForbidden);
    std::fill(f_.begin(), f_.end(), 0.0);
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
        Round(kernel_.data(), t_.data(), n_, m_, row_weight, s_.data(), sums_.data());
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
      for (int64_t j = 0; j < m_; ++j) plan[i * m_ + j] = kernel_[i * m_ + j] * (s_[i] * t_[j]);
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
    auto kernel = torch::from_blob(kernel_.data(), {n_, m_}, type);
    torch::add_out(kernel, torch::from_blob(log_k_.data(), {n_, m_}, type), f);
    kernel.add_(g).exp_();
    std::fill(s_.begin(), s_.end(), 1.0);
    std::fill(t_.begin(), t_.end(), 1.0);
    torch::from_blob(sums_.data(), {m_}, type).copy_(kernel.sum(0));
  }

  int64_t n_, m_;
  std::vector<double> log_k_, kernel_, f_, g_, s_, t_, sums_;
};

void CheckProblem(const torch::Tensor& cost, double epsilon, int64_t iterations) {
  V2R_CHECK(cost.dim() == 3 && cost.size(1) > 0 && cost.size(2) > 0);
  V2R_CHECK(epsilon > 0 && iterations > 0);
}

torch::Tensor Forbidden(const torch::Tensor& allowed, const torch::Device& device) {
  return allowed.defined() ? allowed.to(device).logical_not() : torch::Tensor();
}

}  // namespace

torch::Tensor Sinkhorn(const torch::Tensor& cost, const torch::Tensor& allowed, double epsilon,
                       int64_t iterations) {
  if (!cost.is_cpu()) return SinkhornLogDomain(cost, allowed, epsilon, iterations);
  CheckProblem(cost, epsilon, iterations);
  const int64_t n = cost.size(1), m = cost.size(2);
  const auto forbidden = Forbidden(allowed, cost.device());
  auto plan = torch::empty(cost.sizes(), torch::kDouble);
  double* to = plan.data_ptr<double>();
  at::parallel_for(0, cost.size(0), 1, [&](int64_t begin, int64_t end) {
    const torch::NoGradGuard no_grad;
    Problem problem(n, m);
    for (int64_t b = begin; b < end; ++b) {
      problem.Solve(cost[b], forbidden, epsilon, iterations, to + b * n * m);
    }
  });
  return plan;
}

torch::Tensor SinkhornLogDomain(const torch::Tensor& cost, const torch::Tensor& allowed,
                                double epsilon, int64_t iterations) {
  const torch::NoGradGuard no_grad;
  CheckProblem(cost, epsilon, iterations);
  auto log_k = cost.to(torch::kDouble) * (-1 / epsilon);
  if (allowed.defined()) log_k.masked_fill_(Forbidden(allowed, cost.device()), kForbidden);
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
