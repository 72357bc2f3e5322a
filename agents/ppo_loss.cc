#include "agents/ppo_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace v2r {
namespace {

struct Moments {
  double mean = 0;
  double variance = 0;  // sum of squares over n - `freedom`
};

template <typename F>
Moments MomentsOf(size_t n, double freedom, F value) {
  Moments moments;
  for (size_t i = 0; i < n; ++i) moments.mean += value(i);
  moments.mean /= static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) moments.variance += std::pow(value(i) - moments.mean, 2);
  moments.variance /= static_cast<double>(n) - freedom;
  return moments;
}

}  // namespace

PpoLossOutput PpoLoss(const PpoLossInput& input, const PpoLossOptions& options,
                      std::span<float> grad_log_probs, std::span<float> grad_values) {
  const size_t n = input.new_log_probs.size();
  V2R_CHECK(n > 0);
  for (const auto& span :
       {input.old_log_probs, input.new_values, input.old_values, input.advantages, input.returns}) {
    V2R_CHECK_EQ(span.size(), n);
  }
  V2R_CHECK_EQ(grad_log_probs.size(), n);
  V2R_CHECK_EQ(grad_values.size(), n);

  double shift = 0, scale = 1;
  if (options.norm_adv && n > 1) {
    const Moments moments = MomentsOf(n, 1, [&](size_t i) { return input.advantages[i]; });
    shift = moments.mean;
    scale = 1.0 / (std::sqrt(moments.variance) + 1e-8);
  }

  const double clip = options.clip_coef;
  const double inverse_n = 1.0 / static_cast<double>(n);
  PpoLossOutput out;
  for (size_t i = 0; i < n; ++i) {
    const double log_ratio = static_cast<double>(input.new_log_probs[i]) - input.old_log_probs[i];
    const double ratio = std::exp(log_ratio);
    out.old_approx_kl -= log_ratio;
    out.approx_kl += (ratio - 1.0) - log_ratio;
    out.clipfrac += std::abs(ratio - 1.0) > clip ? 1.0 : 0.0;

    // The surrogate is flat where the clipped term is the larger one.
    const double advantage = (input.advantages[i] - shift) * scale;
    const double unclipped = -advantage * ratio;
    const double clipped = -advantage * std::clamp(ratio, 1.0 - clip, 1.0 + clip);
    out.pg_loss += std::max(unclipped, clipped);
    grad_log_probs[i] = static_cast<float>(unclipped >= clipped ? unclipped * inverse_n : 0.0);

    const double error = static_cast<double>(input.new_values[i]) - input.returns[i];
    double square = error * error, slope = 2.0 * error;
    if (options.clip_vloss) {
      const double change = static_cast<double>(input.new_values[i]) - input.old_values[i];
      const double clipped_error =
          input.old_values[i] + std::clamp(change, -clip, clip) - input.returns[i];
      if (clipped_error * clipped_error > square) {
        square = clipped_error * clipped_error;
        slope = std::abs(change) <= clip ? 2.0 * clipped_error : 0.0;
      }
    }
    out.v_loss += 0.5 * square;
    grad_values[i] = static_cast<float>(options.vf_coef * 0.5 * slope * inverse_n);
  }
  for (double* mean :
       {&out.old_approx_kl, &out.approx_kl, &out.clipfrac, &out.pg_loss, &out.v_loss}) {
    *mean *= inverse_n;
  }
  out.loss = out.pg_loss - options.ent_coef * input.entropy + options.vf_coef * out.v_loss;
  out.grad_entropy = -options.ent_coef;
  return out;
}

double ExplainedVariance(std::span<const float> values, std::span<const float> returns) {
  V2R_CHECK_EQ(values.size(), returns.size());
  const size_t n = returns.size();
  const double total = MomentsOf(n, 0, [&](size_t i) { return returns[i]; }).variance;
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  return 1.0 - MomentsOf(
                   n, 0,
                   [&](size_t i) {
                     return static_cast<double>(returns[i]) - values[i];
                   }).variance /
                   total;
}

}  // namespace v2r
