#include "agents/diag_gaussian.h"

#include <cmath>
#include <numbers>

namespace v2r {
namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2.0 * std::numbers::pi);

}  // namespace

double GaussianLogProb(std::span<const float> mean, std::span<const float> log_std,
                       std::span<const float> action) {
  double sum = 0;
  for (size_t a = 0; a < mean.size(); ++a) {
    const double z =
        (static_cast<double>(action[a]) - mean[a]) * std::exp(-static_cast<double>(log_std[a]));
    sum -= 0.5 * z * z + log_std[a] + kHalfLogTwoPi;
  }
  return sum;
}

double GaussianEntropy(std::span<const float> log_std) {
  double sum = 0;
  for (const float value : log_std) sum += 0.5 + kHalfLogTwoPi + value;
  return sum;
}

void GaussianSample(std::span<const float> mean, std::span<const float> log_std, Rng& rng,
                    std::span<float> action) {
  for (size_t a = 0; a < mean.size(); ++a) {
    action[a] =
        static_cast<float>(mean[a] + std::exp(static_cast<double>(log_std[a])) * rng.Normal());
  }
}

void GaussianLogProbBackward(std::span<const float> mean, std::span<const float> log_std,
                             std::span<const float> action, double weight,
                             std::span<float> grad_mean, std::span<double> grad_log_std) {
  for (size_t a = 0; a < mean.size(); ++a) {
    const double inverse_std = std::exp(-static_cast<double>(log_std[a]));
    const double z = (static_cast<double>(action[a]) - mean[a]) * inverse_std;
    grad_mean[a] += static_cast<float>(weight * z * inverse_std);
    grad_log_std[a] += weight * (z * z - 1.0);
  }
}

}  // namespace v2r
