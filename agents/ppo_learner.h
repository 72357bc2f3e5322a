// The update half of PPO: shuffled minibatches, loss, global gradient clipping, Adam on one flat
// vector.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agents/policy_network.h"
#include "agents/ppo_loss.h"
#include "core/safetensors.h"

namespace v2r {

struct PpoLearnerOptions {
  PpoLossOptions loss;
  int64_t batch_size = 256;
  double max_grad_norm = 0.5;  // 0 = no clipping
  double adam_eps = 1e-5;
  double target_kl = 0.0;  // 0 = never stop
};

// M samples in rollout order.
struct PpoSamples {
  std::vector<float> obs;                                     // [M,O] normalised
  std::vector<float> actions;                                 // [M,A] unclipped
  std::vector<float> log_probs, values, advantages, returns;  // [M]
};

struct PpoStepResult {
  PpoLossOutput loss;
  double entropy = 0;
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
  // One step on minibatch `index` of the epoch, with Adam's step size `learning_rate`. UserError
  // when the gradient is not finite.
  PpoStepResult Step(int64_t index, double learning_rate);

  StateDict Save() const;  // Adam: "exp_avg", "exp_avg_sq" (flat, in parameter order), "step"
  void Load(const StateDict& state, const std::string& what);

 private:
  // Buffers of one minibatch size.
  struct Workspace {
    int64_t rows = 0;
    PolicyNetwork::Buffers network;
    torch::Tensor mean, value, grad_mean, grad_value;  // CPU: [B,A], [B,1], [B,A], [B,1]
    std::vector<float> log_probs, grad_log_probs;      // [B]
  };
  Workspace& WorkspaceFor(int64_t rows);
  void HeadGradients(Workspace& work, int64_t begin, std::span<const float> log_std,
                     double grad_entropy);

  PolicyNetwork& network_;
  PpoLearnerOptions options_;
  int64_t num_samples_ = 0;
  PpoSamples samples_, shuffled_;
  torch::Tensor shuffled_obs_;  // [M,O] on the network's device
  std::vector<Workspace> workspaces_;
  torch::Tensor exp_avg_, exp_avg_sq_, adam_step_;
};

}  // namespace v2r
