// The losses of one PPO minibatch and their gradients, in closed form.
// Source: Schulman et al. 2017 (arXiv:1707.06347), eq. 7 and 9; details as in vwxyzjn/cleanrl
// ppo_continuous_action.py.
#pragma once

#include <cstdint>
#include <span>

namespace v2r {

struct PpoLossOptions {
  double clip_coef = 0.2;
  bool clip_vloss = false;
  bool norm_adv = true;
  double ent_coef = 0.0;
  double vf_coef = 0.5;
};

// B samples. "new" is the present policy, "old" the one that acted.
struct PpoLossInput {
  std::span<const float> new_log_probs, old_log_probs;
  std::span<const float> new_values, old_values;
  std::span<const float> advantages, returns;
  double entropy = 0;  // mean over the samples
};

struct PpoLossOutput {
  double loss = 0;           // pg_loss - ent_coef * entropy + vf_coef * v_loss
  double pg_loss = 0;        // mean max(-A r, -A clip(r))
  double v_loss = 0;         // 1/2 mean (V - R)^2, or of the larger of that and the clipped one
  double old_approx_kl = 0;  // k1: mean(-log r)
  double approx_kl = 0;      // k3: mean((r - 1) - log r), http://joschu.net/blog/kl-approx.html
  double clipfrac = 0;       // share of samples with |r - 1| > clip_coef
  double grad_entropy = 0;   // d loss / d mean entropy
};

// Also writes d loss / d new_log_probs [B] and d loss / d new_values [B]. Advantages are normalised
// over the minibatch by (A - mean) / (std + 1e-8), std unbiased; a minibatch of one sample keeps
// its advantage.
PpoLossOutput PpoLoss(const PpoLossInput& input, const PpoLossOptions& options,
                      std::span<float> grad_log_probs, std::span<float> grad_values);

// 1 - Var(returns - values) / Var(returns); NaN when the returns do not vary.
double ExplainedVariance(std::span<const float> values, std::span<const float> returns);

}  // namespace v2r
