#include "learn/tsne.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"

namespace v2r {
namespace {

constexpr double kLeast = std::numeric_limits<double>::epsilon();
constexpr int kBisections = 100;
constexpr double kEntropyError = 1e-5;
constexpr double kEarlyMomentum = 0.5, kMomentum = 0.8;
constexpr double kInitialDeviation = 1e-4;
constexpr int64_t kRowsAtOnce = 16;

// exp(-beta d) / sum over the row, without the point itself; -> its entropy in nats. Distances are
// taken from the nearest, which changes nothing and keeps the sum away from 0.
double Conditional(const double* distance, int64_t n, int64_t self, double least, double beta,
                   double* out) {
  double sum = 0, weighted = 0;
  for (int64_t j = 0; j < n; ++j) {
    const double d = distance[j] - least;
    out[j] = j == self ? 0 : std::exp(-beta * d);
    sum += out[j];
    weighted += out[j] * d;
  }
  for (int64_t j = 0; j < n; ++j) out[j] /= sum;
  return std::log(sum) + beta * weighted / sum;
}

void FitRow(const double* distance, int64_t n, int64_t self, double entropy, double* out) {
  double least = std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < n; ++j) {
    if (j != self) least = std::min(least, distance[j]);
  }
  double beta = 1, low = 0, high = std::numeric_limits<double>::infinity();
  for (int k = 0; k < kBisections; ++k) {
    const double error = Conditional(distance, n, self, least, beta, out) - entropy;
    if (std::abs(error) <= kEntropyError) return;
    (error > 0 ? low : high) = beta;
    beta = std::isinf(high) ? 2 * beta : (low + high) / 2;
  }
}

struct Forces {
  std::vector<double> attraction, repulsion;  // [N,2]
  std::vector<double> row_sums;               // of 1 / (1 + |y_i - y_j|^2)
  double sum = 0;
};

void Measure(const double* p, const double* y, int64_t n, Forces& forces) {
  forces.attraction.assign(2 * n, 0);
  forces.repulsion.assign(2 * n, 0);
  forces.row_sums.assign(n, 0);
  at::parallel_for(0, n, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double xi = y[2 * i], yi = y[2 * i + 1];
      double ax = 0, ay = 0, rx = 0, ry = 0, sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        const double dx = xi - y[2 * j], dy = yi - y[2 * j + 1];
        const double near = 1 / (1 + dx * dx + dy * dy);
        const double pull = p[i * n + j] * near, push = near * near;
        ax += pull * dx;
        ay += pull * dy;
        rx += push * dx;
        ry += push * dy;
        sum += near;
      }
      forces.attraction[2 * i] = ax;
      forces.attraction[2 * i + 1] = ay;
      forces.repulsion[2 * i] = rx;
      forces.repulsion[2 * i + 1] = ry;
      forces.row_sums[i] = sum - 1;  // without itself
    }
  });
  forces.sum = 0;
  for (const double row : forces.row_sums) forces.sum += row;
}

double Gradient(const Forces& forces, size_t k, double exaggeration) {
  return 4 * (exaggeration * forces.attraction[k] - forces.repulsion[k] / forces.sum);
}

torch::Tensor Doubles(const torch::Tensor& x) {
  return x.detach().to(torch::kCPU, torch::kDouble).contiguous();
}

}  // namespace

torch::Tensor TsneAffinities(const torch::Tensor& x, double perplexity) {
  V2R_CHECK(x.dim() == 2 && x.size(0) >= 3, "t-SNE of [{}]", fmt::join(x.sizes(), ", "));
  const torch::NoGradGuard no_grad;
  const int64_t n = x.size(0);
  const torch::Tensor points = Doubles(x);
  const double entropy = std::log(std::min(perplexity, static_cast<double>(n - 1) / 3));
  torch::Tensor conditional = torch::empty({n, n}, torch::kDouble);
  double* out = conditional.mutable_data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    // By differences: equal points are at distance 0 exactly.
    const torch::Tensor distance = (points - points[i]).square().sum(1).contiguous();
    FitRow(distance.const_data_ptr<double>(), n, i, entropy, out + i * n);
  }
  const torch::Tensor joint = conditional + conditional.t();
  return (joint / joint.sum()).clamp_min(kLeast).fill_diagonal_(0);
}

TsneCost TsneKl(const torch::Tensor& affinities, const torch::Tensor& y) {
  const int64_t n = y.size(0);
  const torch::Tensor p = Doubles(affinities), at = Doubles(y);
  Forces forces;
  Measure(p.const_data_ptr<double>(), at.const_data_ptr<double>(), n, forces);
  TsneCost cost;
  cost.gradient = torch::empty({n, 2}, torch::kDouble);
  for (size_t k = 0; k < static_cast<size_t>(2 * n); ++k) {
    cost.gradient.mutable_data_ptr<double>()[k] = Gradient(forces, k, 1);
  }
  const double *pp = p.const_data_ptr<double>(), *yy = at.const_data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (i == j) continue;
      const double dx = yy[2 * i] - yy[2 * j], dy = yy[2 * i + 1] - yy[2 * j + 1];
      const double q = std::max(1 / (1 + dx * dx + dy * dy) / forces.sum, kLeast);
      cost.kl += pp[i * n + j] * std::log(std::max(pp[i * n + j], kLeast) / q);
    }
  }
  return cost;
}

TsneMap TsneDescend(const torch::Tensor& affinities, const torch::Tensor& y,
                    const TsneOptions& options) {
  const int64_t n = y.size(0);
  const torch::Tensor p = Doubles(affinities);
  TsneMap map;
  map.y = Doubles(y).clone();
  double* at = map.y.mutable_data_ptr<double>();
  const double rate = options.learning_rate > 0
                          ? options.learning_rate
                          : std::max(static_cast<double>(n) / options.early_exaggeration / 4, 50.0);
  std::vector<double> update(2 * n, 0), gain(2 * n, 1);
  Forces forces;
  for (int64_t step = 0; step < options.iterations; ++step) {
    PollInterrupt();
    const bool early = step < options.iterations / 4;
    Measure(p.const_data_ptr<double>(), at, n, forces);
    for (size_t k = 0; k < update.size(); ++k) {
      const double gradient = Gradient(forces, k, early ? options.early_exaggeration : 1);
      gain[k] = std::max(update[k] * gradient < 0 ? gain[k] + 0.2 : gain[k] * 0.8, 0.01);
      update[k] = (early ? kEarlyMomentum : kMomentum) * update[k] - rate * gain[k] * gradient;
      at[k] += update[k];
    }
  }
  map.kl = TsneKl(p, map.y).kl;
  return map;
}

torch::Tensor Tsne(const torch::Tensor& x, const torch::Tensor& plane, const TsneOptions& options) {
  const torch::Tensor start = Doubles(plane);
  const double deviation = start.select(1, 0).std(/*unbiased=*/false).item<double>();
  const torch::Tensor y = start * (kInitialDeviation / std::max(deviation, 1e-300));
  return TsneDescend(TsneAffinities(x, options.perplexity), y, options).y.to(torch::kFloat);
}

}  // namespace v2r
