#include "learn/measures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace v2r {
namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
}  // namespace

std::vector<double> Ranks(std::span<const double> values) {
  const size_t n = values.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(n);
  for (size_t begin = 0; begin < n;) {
    size_t end = begin + 1;
    while (end < n && values[order[end]] == values[order[begin]]) ++end;
    const double average = 0.5 * static_cast<double>(begin + 1 + end);
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = average;
    begin = end;
  }
  return ranks;
}

double Pearson(std::span<const double> x, std::span<const double> y) {
  V2R_CHECK_EQ(x.size(), y.size());
  if (x.size() < 2) return kNan;
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  if (!(xx > 0) || !(yy > 0)) return kNan;
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

double Spearman(std::span<const double> x, std::span<const double> y) {
  V2R_CHECK_EQ(x.size(), y.size());
  const auto has_nan = [](std::span<const double> v) {
    return std::any_of(v.begin(), v.end(), [](double value) { return std::isnan(value); });
  };
  if (has_nan(x) || has_nan(y)) return kNan;
  return Pearson(Ranks(x), Ranks(y));
}

double KendallTau(std::span<const double> x, std::span<const double> y) {
  V2R_CHECK_EQ(x.size(), y.size());
  int64_t concordant = 0, discordant = 0, ties_x = 0, ties_y = 0, pairs = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = i + 1; j < x.size(); ++j) {
      ++pairs;
      const int a = (x[i] < x[j]) - (x[i] > x[j]);
      const int b = (y[i] < y[j]) - (y[i] > y[j]);
      ties_x += a == 0;
      ties_y += b == 0;
      concordant += a * b > 0;
      discordant += a * b < 0;
    }
  }
  const auto left = static_cast<double>(pairs - ties_x),
             right = static_cast<double>(pairs - ties_y);
  if (left == 0 || right == 0) return kNan;
  return static_cast<double>(concordant - discordant) / std::sqrt(left) / std::sqrt(right);
}

double Voc(std::span<const double> values) {
  std::vector<double> time(values.size());
  std::iota(time.begin(), time.end(), 0.0);
  return Spearman(values, time);
}

double Auroc(std::span<const double> positives, std::span<const double> negatives) {
  if (positives.empty() || negatives.empty()) return kNan;
  std::vector<double> all(positives.begin(), positives.end());
  all.insert(all.end(), negatives.begin(), negatives.end());
  const auto ranks = Ranks(all);
  const auto p = static_cast<double>(positives.size()), n = static_cast<double>(negatives.size());
  const double sum =
      std::accumulate(ranks.begin(), ranks.begin() + static_cast<int64_t>(positives.size()), 0.0);
  return (sum - p * (p + 1) / 2) / (p * n);
}

double EffectiveDimensions(const torch::Tensor& z) {
  const torch::NoGradGuard no_grad;
  V2R_CHECK_EQ(z.dim(), 2);
  const auto centred =
      z.to(torch::kCPU, torch::kDouble) - z.to(torch::kCPU, torch::kDouble).mean(0);
  // The eigenvalues other than 0 are those of the smaller product.
  const auto product = centred.size(0) < centred.size(1) ? torch::matmul(centred, centred.t())
                                                         : torch::matmul(centred.t(), centred);
  const auto values = torch::linalg_eigvalsh(product).clamp_min(0);
  const double total = values.sum().item<double>();
  if (!(total > 0)) return 0;
  const auto share = values / total;
  return std::exp(-torch::xlogy(share, share).sum().item<double>());
}

double NormalizedStd(const torch::Tensor& z) {
  const torch::NoGradGuard no_grad;
  V2R_CHECK_EQ(z.dim(), 2);
  const auto values = z.to(torch::kCPU, torch::kDouble);
  const auto unit = values / values.norm(2, 1, true).clamp_min(1e-12);
  return unit.std(0, /*unbiased=*/false).mean().item<double>();
}

}  // namespace v2r
