#include "agents/gaussian_head.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace v2r {
namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2.0 * std::numbers::pi);
constexpr double kSoftBound = 1.1;

// log d tanh(u) / du, without the cancellation of 1 - tanh^2.
double LogTanhSlope(double u) {
  return 2.0 * (std::numbers::ln2 - std::abs(u) - std::log1p(std::exp(-2.0 * std::abs(u))));
}

}  // namespace

GaussianHead::GaussianHead(GaussianHeadOptions options) : options_(std::move(options)) {
  const auto act_dim = static_cast<size_t>(options_.act_dim);
  V2R_CHECK(act_dim > 0);
  if (options_.centre.empty()) options_.centre.assign(act_dim, 0.0);
  if (options_.half_width.empty()) options_.half_width.assign(act_dim, 1.0);
  V2R_CHECK_EQ(options_.centre.size(), act_dim);
  V2R_CHECK_EQ(options_.half_width.size(), act_dim);
}

double GaussianHead::LogStd(const float* actor, std::span<const float> log_std, int64_t a) const {
  const double value =
      options_.state_dependent_std ? actor[options_.act_dim + a] : log_std[static_cast<size_t>(a)];
  return std::clamp(value, options_.log_std_min, options_.log_std_max);
}

bool GaussianHead::Clamped(const float* actor, std::span<const float> log_std, int64_t a) const {
  const double value =
      options_.state_dependent_std ? actor[options_.act_dim + a] : log_std[static_cast<size_t>(a)];
  return value < options_.log_std_min || value > options_.log_std_max;
}

double GaussianHead::LogProbs(const Batch& batch, std::span<float> log_probs) {
  const int64_t act_dim = options_.act_dim;
  const bool by_state = options_.state_dependent_std;
  V2R_CHECK_EQ(static_cast<int64_t>(log_probs.size()), batch.rows);
  const auto size = static_cast<size_t>(batch.rows * act_dim);
  if (z_.size() < size) z_.resize(size);
  const size_t stds = by_state ? size : static_cast<size_t>(act_dim);
  if (inverse_std_.size() < stds) inverse_std_.resize(stds);

  double sum_log_std = 0, entropy = 0, sum_log_probs = 0;
  const auto read_std = [&](const float* actor, double* inverse) {
    sum_log_std = 0;
    for (int64_t a = 0; a < act_dim; ++a) {
      const double log_std = LogStd(actor, batch.log_std, a);
      sum_log_std += log_std;
      inverse[a] = std::exp(-log_std);
    }
    entropy += static_cast<double>(act_dim) * (0.5 + kHalfLogTwoPi) + sum_log_std;
  };
  if (!by_state) read_std(batch.actor, inverse_std_.data());
  for (int64_t i = 0; i < batch.rows; ++i) {
    const float* actor = batch.actor + i * batch.stride;
    const float* action = batch.actions + i * act_dim;
    double* z = z_.data() + i * act_dim;
    double* inverse = inverse_std_.data() + (by_state ? i * act_dim : 0);
    if (by_state) read_std(actor, inverse);
    double squares = 0;
    for (int64_t a = 0; a < act_dim; ++a) {
      z[a] = (static_cast<double>(action[a]) - actor[a]) * inverse[a];
      squares += z[a] * z[a];
    }
    double log_prob = -0.5 * squares - sum_log_std - static_cast<double>(act_dim) * kHalfLogTwoPi;
    if (options_.squash) {
      for (int64_t a = 0; a < act_dim; ++a) log_prob -= LogTanhSlope(action[a]);
    }
    log_probs[static_cast<size_t>(i)] = static_cast<float>(log_prob);
    sum_log_probs += log_prob;
  }
  if (options_.squash) return -sum_log_probs / static_cast<double>(batch.rows);
  return by_state ? entropy / static_cast<double>(batch.rows) : entropy;
}

double GaussianHead::Backward(const Batch& batch, std::span<const float> grad_log_probs,
                              double grad_entropy, float* grad_actor,
                              std::span<float> grad_log_std) {
  const int64_t act_dim = options_.act_dim;
  const bool by_state = options_.state_dependent_std;
  const double inverse_rows = 1.0 / static_cast<double>(batch.rows);
  // The entropy's derivative by a log standard deviation is 1; that of its estimate by a
  // log-probability is -1.
  const double entropy_by_log_prob = options_.squash ? -grad_entropy * inverse_rows : 0.0;
  const double entropy_by_log_std = options_.squash ? 0.0 : grad_entropy;
  constexpr int64_t kMost = 512;
  V2R_CHECK(act_dim <= kMost, "{} actions, at most {}", act_dim, kMost);
  double sums[kMost];
  std::fill_n(sums, act_dim, by_state ? 0.0 : entropy_by_log_std);
  double bounds_loss = 0;
  for (int64_t i = 0; i < batch.rows; ++i) {
    const float* actor = batch.actor + i * batch.stride;
    float* grad = grad_actor + i * batch.stride;
    const double* z = z_.data() + i * act_dim;
    const double* inverse = inverse_std_.data() + (by_state ? i * act_dim : 0);
    const double weight = grad_log_probs[static_cast<size_t>(i)] + entropy_by_log_prob;
    for (int64_t a = 0; a < act_dim; ++a) {
      double by_mean = weight * z[a] * inverse[a];
      const double by_log_std = weight * (z[a] * z[a] - 1.0);
      if (options_.bounds_loss_coef > 0) {
        const auto k = static_cast<size_t>(a);
        const double unit = (actor[a] - options_.centre[k]) / options_.half_width[k];
        const double excess = std::max(std::abs(unit) - kSoftBound, 0.0);
        const double scale = options_.bounds_loss_coef * inverse_rows;
        bounds_loss += scale * excess * excess;
        by_mean += scale * 2.0 * std::copysign(excess, unit) / options_.half_width[k];
      }
      grad[a] = static_cast<float>(by_mean);
      if (!by_state) {
        sums[a] += by_log_std;
      } else {
        const double total = by_log_std + entropy_by_log_std * inverse_rows;
        grad[act_dim + a] = Clamped(actor, batch.log_std, a) ? 0.0f : static_cast<float>(total);
      }
    }
  }
  if (by_state) return bounds_loss;
  for (int64_t a = 0; a < act_dim; ++a) {
    grad_log_std[static_cast<size_t>(a)] =
        Clamped(batch.actor, batch.log_std, a) ? 0.0f : static_cast<float>(sums[a]);
  }
  return bounds_loss;
}

void GaussianHead::Sample(const float* actor, std::span<const float> log_std, Rng& rng,
                          std::span<float> action) const {
  for (int64_t a = 0; a < options_.act_dim; ++a) {
    action[static_cast<size_t>(a)] =
        static_cast<float>(actor[a] + std::exp(LogStd(actor, log_std, a)) * rng.Normal());
  }
}

double GaussianHead::MeanKl(const float* old_actor, std::span<const float> old_log_std,
                            const Batch& batch) const {
  double sum = 0;
  for (int64_t i = 0; i < batch.rows; ++i) {
    const float* now = batch.actor + i * batch.stride;
    const float* then = old_actor + i * outputs();
    for (int64_t a = 0; a < options_.act_dim; ++a) {
      const double log_std = LogStd(now, batch.log_std, a), old = LogStd(then, old_log_std, a);
      const double shift = (static_cast<double>(then[a]) - now[a]) * std::exp(-log_std);
      sum += log_std - old + 0.5 * (std::exp(2.0 * (old - log_std)) + shift * shift - 1.0);
    }
  }
  return sum / static_cast<double>(batch.rows);
}

void GaussianHead::ToEnvironment(std::span<float> actions) const {
  if (!options_.squash) return;
  for (size_t k = 0; k < actions.size(); ++k) {
    const size_t a = k % options_.centre.size();
    actions[k] = static_cast<float>(options_.centre[a] +
                                    options_.half_width[a] * std::tanh(double{actions[k]}));
  }
}

void GaussianHead::FromEnvironment(std::span<float> actions) const {
  if (!options_.squash) return;
  for (size_t k = 0; k < actions.size(); ++k) {
    const size_t a = k % options_.centre.size();
    const double unit = (actions[k] - options_.centre[a]) / options_.half_width[a];
    actions[k] = static_cast<float>(std::atanh(std::clamp(unit, -1.0 + 1e-6, 1.0 - 1e-6)));
  }
}

}  // namespace v2r
