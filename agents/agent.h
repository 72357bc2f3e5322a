// Agent: acts on observations and learns from rollouts. It touches no environment, file or clock.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>

#include "core/metrics.h"
#include "core/rng.h"
#include "core/safetensors.h"

namespace v2r {

enum class ActMode { kSample, kDeterministic };

// T steps of N environments; CPU tensors allocated once by the runner. Row t is the transition
// (s_t, a_t, r_t, s_{t+1}).
struct Rollout {
  int64_t T = 0, N = 0;
  torch::Tensor obs;         // float32 [T,N,O] raw observation the action was taken in
  torch::Tensor next_obs;    // float32 [T,N,O] raw observation after the step, before any reset
  torch::Tensor actions;     // float32 [T,N,A] unclipped
  torch::Tensor log_probs;   // float32 [T,N]
  torch::Tensor values;      // float32 [T,N] V(s_t) at the time of acting
  torch::Tensor rewards;     // float32 [T,N] what the agent learns from
  torch::Tensor terminated;  // uint8 [T,N]
  torch::Tensor truncated;   // uint8 [T,N]
};

class Agent {
 public:
  virtual ~Agent() = default;
  // obs [N,O] raw -> actions [N,A] as the environment takes them, unclipped; log_probs [N] and
  // values [N] may be empty spans (evaluation). In kSample mode the observation normaliser learns
  // from obs, in kDeterministic mode nothing changes. UserError when an observation is not finite.
  virtual void Act(std::span<const float> obs, ActMode mode, Rng& rng, std::span<float> actions,
                   std::span<float> log_probs, std::span<float> values) = 0;
  // Learns from one rollout. `progress` in [0,1] is the share of training done before this update
  // (annealing). `rollout.rewards` are raw.
  virtual Metrics Update(const Rollout& rollout, double progress, Rng& rng) = 0;
  // Networks, optimiser, normalisers: a loaded agent continues bit for bit.
  virtual void SaveState(StateDict& state) const = 0;
  virtual void LoadState(const StateDict& state) = 0;
  // One line for the log: size, and by which code it acts and learns.
  virtual std::string Describe() const = 0;
};

}  // namespace v2r
