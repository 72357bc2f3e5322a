// The update half of PPO: shuffled minibatches, loss, global gradient clipping, Adam on one flat
// vector.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agents/gaussian_head.h"
#include "agents/policy_network.h"
#include "agents/ppo_loss.h"
#include "core/safetensors.h"

namespace v2r {

struct PpoLearnerOptions {
  PpoLossOptions loss;
  GaussianHeadOptions head;  // act_dim and state_dependent_std are the network's
  int64_t batch_size = 256;
  double max_grad_norm = 0.5;  // 0 = no clipping
  double adam_eps = 1e-5;
  double target_kl = 0.0;  // 0 = never stop
  // > 0: the step size follows KL(old || new) of each minibatch before its step, divided by 1.5
  // above twice this and multiplied by 1.5 below half of it, between min_lr and max_lr
  // (leggedrobotics/rsl_rl algorithms/ppo.py, schedule "adaptive").
  double desired_kl = 0.0;
  double learning_rate = 1e-3;  // where that begins
  double min_lr = 1e-5, max_lr = 1e-2;
};

// M samples in rollout order.
struct PpoSamples {
  std::vector<float> obs;                                     // [M,O] normalised
  std::vector<float> actions;                                 // [M,A] the normal variable
  std::vector<float> log_probs, values, advantages, returns;  // [M]
};

struct PpoStepResult {
  PpoLossOutput loss;
  double entropy = 0;
  double bounds_loss = 0;  // part of loss.loss
  double kl = 0;           // KL(old || new), with desired_kl
  double learning_rate = 0;
  double grad_norm = 0;  // before clipping
  bool stopped = false;  // approx_kl was above 1.5 target_kl: nothing was changed
};

class PpoLearner {
 public:
  // `network` must outlive the learner.
  PpoLearner(PolicyNetwork& network, const PpoLearnerOptions& options);

  void SetSamples(PpoSamples samples);
  // Puts the samples in the order of one epoch: position i holds sample permutation[i].
  void Shuffle(std::span<const int64_t> permutation);
  // ceil(M / batch_size); the last minibatch may be smaller.
  int64_t num_minibatches() const;
  // One step on minibatch `index` of the epoch, with Adam's step size `learning_rate` (with
  // desired_kl its own). UserError when the gradient is not finite.
  PpoStepResult Step(int64_t index, double learning_rate);

  // Adam: "exp_avg", "exp_avg_sq" (flat, in parameter order), "step"; with desired_kl
  // "learning_rate".
  StateDict Save() const;
  void Load(const StateDict& state, const std::string& what);

 private:
  // Buffers of one minibatch size, of the passes through torch.
  struct Workspace {
    int64_t rows = 0;
    PolicyNetwork::Buffers network;
    torch::Tensor actor, value, grad_actor, grad_value;  // CPU: [B,outputs], [B,1], and the same
  };
  Workspace& WorkspaceFor(int64_t rows);
  // From the gradients of the outputs to those of the parameters, clipping and Adam's step; return
  // the norm before clipping. One that is not finite changes nothing.
  double FusedStep(const float* x, int64_t rows, double learning_rate);
  double TorchStep(const torch::Tensor& x, Workspace& work, double learning_rate);
  double ClipFactor(double grad_norm) const;
  double Adapt(double kl);

  PolicyNetwork& network_;
  PpoLearnerOptions options_;
  GaussianHead head_;
  int64_t num_samples_ = 0, obs_stride_ = 0;
  PpoSamples samples_, shuffled_;                  // shuffled_.obs has rows of obs_stride_
  std::vector<float> old_actor_, shuffled_actor_;  // [M,outputs] with desired_kl
  std::vector<float> old_log_std_;                 // [A]
  torch::Tensor shuffled_obs_;                     // [M,O] on the network's device
  std::vector<Workspace> workspaces_;
  std::vector<float> log_probs_, grad_log_probs_, values_, grad_values_;  // [B]
  torch::Tensor exp_avg_, exp_avg_sq_, adam_step_;
  double learning_rate_;
};

}  // namespace v2r
