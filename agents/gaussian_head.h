// What lies between the actor's outputs and the loss: the diagonal normal distribution of the
// actions, its gradients in closed form, and the penalties on its mean.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace v2r {

struct GaussianHeadOptions {
  int64_t act_dim = 0;
  // The actor gives mean and log standard deviation, [A] each (leggedrobotics/rsl_rl
  // modules/distribution.py, heteroscedastic), instead of the mean alone.
  bool state_dependent_std = false;
  // The log standard deviation is clamped to this range, without a gradient outside.
  double log_std_min = -20, log_std_max = 2;
  // The action is tanh of the normal variable (Haarnoja et al. 2018, arXiv:1801.01290, appendix C);
  // its entropy is estimated by -log_prob, as DLR-RM/stable-baselines3 common/policies.py does.
  bool squash = false;
  // Weight of mean_i sum_a max(|mean| - 1.1, 0)^2, the mean in units of the action bounds
  // (Denys88/rl_games algos_torch/a2c_continuous.py, bound_loss).
  double bounds_loss_coef = 0;
  // Of the action bounds, [A] each; empty = 0 and 1.
  std::vector<double> centre, half_width;
};

// All pointers row-major; `actor` and `grad_actor` have `stride` floats a row.
class GaussianHead {
 public:
  explicit GaussianHead(GaussianHeadOptions options);

  int64_t outputs() const { return options_.act_dim * (options_.state_dependent_std ? 2 : 1); }

  struct Batch {
    int64_t rows = 0;
    const float* actor = nullptr;
    int64_t stride = 0;
    std::span<const float> log_std;  // [A], ignored with state_dependent_std
    const float* actions = nullptr;  // [rows,A] the normal variable, before any tanh
  };
  // log_probs [rows] of the actions; returns the mean entropy.
  double LogProbs(const Batch& batch, std::span<float> log_probs);
  // After LogProbs of the same batch, with d loss / d log_probs and d loss / d mean entropy: writes
  // grad_actor and grad_log_std [A]. Returns the bounds loss, weight included.
  double Backward(const Batch& batch, std::span<const float> grad_log_probs, double grad_entropy,
                  float* grad_actor, std::span<float> grad_log_std);
  // mean + std * standard normal, drawn component by component. `actor` is one row.
  void Sample(const float* actor, std::span<const float> log_std, Rng& rng,
              std::span<float> action) const;
  // Mean over the rows of KL(old || new); `old_actor` has outputs() floats a row. batch.actions is
  // not read.
  double MeanKl(const float* old_actor, std::span<const float> old_log_std,
                const Batch& batch) const;
  // What the environment takes, in place: tanh, then from [-1,1] to the bounds; and back, where the
  // action is first clipped 1e-6 inside (stable-baselines3 common/distributions.py TanhBijector).
  void ToEnvironment(std::span<float> actions) const;
  void FromEnvironment(std::span<float> actions) const;

  const GaussianHeadOptions& options() const { return options_; }

 private:
  double LogStd(const float* actor, std::span<const float> log_std, int64_t a) const;
  bool Clamped(const float* actor, std::span<const float> log_std, int64_t a) const;

  GaussianHeadOptions options_;
  std::vector<double> z_, inverse_std_;  // [rows,A] and [A], or [rows,A] with state_dependent_std
};

}  // namespace v2r
