// RewardModel: embeddings of a rollout in, rewards out. r_t belongs to (s_t, a_t) and is computed
// from next_frame_t. No gradient outside its own online parts, independent of the other
// environments, never samples, never normalises by running statistics.
#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "models/encoder.h"

namespace v2r {

// What a reward reads. kFrame: next_frame only; kPair: the embedding before the step as well;
// kEpisode: that too, and whole episodes: rollouts may not cut them.
enum class RewardNeeds { kFrame, kPair, kEpisode };

// Features of T steps of N environments, float32 on the reward's device. Undefined tensors are
// those nobody asked for.
struct RolloutFeatures {
  torch::Tensor next;          // [T,N,D] embedding of next_frame
  torch::Tensor current;       // [T,N,D] embedding of the picture the action was taken in (kPair)
  torch::Tensor goal;          // [T,N,D] embedding of goal_frame (tasks with a goal per episode)
  torch::Tensor env_reward;    // [T,N] the task's own reward: only `true` may read it
  torch::Tensor done;          // uint8 [T,N] terminated or truncated
  torch::Tensor episode_step;  // int64 [T,N] 1 after the first step
  torch::Tensor terminated;    // uint8 [T,N]
  torch::Tensor success;     // uint8 [T,N] of the task: only a sum's part of that name may read it
  torch::Tensor transition;  // uint8 [T,N] 0 where a row is no transition; undefined: all are
  // float32 [N,M], CPU, M = MemorySize(): what Compute left of the step before; it writes that of
  // the last step in its place. Undefined when M is 0.
  torch::Tensor memory;
};

// Embedded demonstrations: [T_i, D] each, time order.
struct DemoFeatures {
  std::vector<torch::Tensor> good;
  std::vector<torch::Tensor> near_miss;  // for reports only
  std::vector<torch::Tensor> random;     // for reports only
};

class RewardModel {
 public:
  virtual ~RewardModel() = default;
  virtual RewardNeeds Needs() const { return RewardNeeds::kFrame; }
  // Numbers that the reward carries from step to step of an environment's episode. An episode's
  // first step (episode_step 1) reads none of them.
  virtual int64_t MemorySize() const { return 0; }
  // Encoders whose embeddings follow those of the run's encoder along D, in this order.
  virtual std::vector<std::shared_ptr<const Encoder>> MoreEncoders() const { return {}; }
  // Sets goal, scale and range from demonstrations. UserError when they do not fit (e.g. goals that
  // do not look alike).
  virtual void Calibrate(const DemoFeatures& demos) = 0;
  // [T,N] rewards; adds named parts to `parts` ([T,N] each) when it is not null.
  virtual torch::Tensor Compute(const RolloutFeatures& features,
                                std::map<std::string, torch::Tensor>* parts) const = 0;
  // Online parts learn from the rollout just made; called before Compute of the same rollout. Adds
  // metrics ("reward/...").
  virtual void Learn(const RolloutFeatures& /*features*/, Rng& /*rng*/, Metrics& /*metrics*/) {}
  virtual bool HasOnlineParts() const { return false; }
  virtual void SaveState(
      StateDict& state) const = 0;  // calibration and online parts with their optimisers
  virtual void LoadState(const StateDict& state) = 0;
};

}  // namespace v2r
