// Goals: what "done" looks like, taken from demonstrations or drawn by the environment.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/safetensors.h"
#include "reward/distance.h"
#include "reward/make.h"

namespace v2r {

// How alike the goals of the demonstrations are. Distances in the embedding's own unit.
struct GoalSpread {
  double spread = 0;          // mean distance of the demonstrations' goals to their mean
  double start_distance = 0;  // mean distance of the demonstrations' first frames to the goal
  double ratio() const { return start_distance > 0 ? spread / start_distance : 0; }
};

// kind mean: one goal, the mean of the demonstrations' last `last_frames` embeddings; nearest: all
// of them, the distance is that to the nearest; medoids: the same of the few that stand for them
// all (reward/medoids.h); env: the goal picture of the episode, demonstrations only set the scale
// (their own last frame is their goal).
class GoalSet {
 public:
  GoalSet(const GoalOptions& options, DistanceFn distance);

  // demos: [T_i, D] each, at least one. `wrong` takes first frames instead (the control; a constant
  // goal for every kind). UserError, with both numbers, when a mean is asked for of goals that do
  // not look alike (spread > max_spread * start_distance; not asked of the control), and when first
  // and last frames cannot be told apart.
  void Fit(const std::vector<torch::Tensor>& demos, bool wrong);
  // z [..., D]; `goal` [..., D] is the episode's goal picture, read with kind env only. -> [...]
  torch::Tensor Distance(const torch::Tensor& z, const torch::Tensor& goal) const;
  // The goal that Distance measures to, of several the nearest (the first of equals): [..., D].
  torch::Tensor Chosen(const torch::Tensor& z, const torch::Tensor& goal) const;
  // True when Distance and Chosen read `goal`.
  bool per_episode() const { return per_episode_; }
  // Of the demonstrations' real goals, whatever `wrong` said.
  const GoalSpread& spread() const { return spread_; }

  void SaveState(StateDict& state) const;
  void LoadState(const StateDict& state, const torch::Device& device);

 private:
  GoalOptions options_;
  DistanceFn distance_;
  torch::Tensor goals_;  // [G, D], undefined for a goal per episode
  bool per_episode_ = false;
  GoalSpread spread_;
};

// The spread of the demonstrations' goals under these options, never refusing: for reports.
GoalSpread MeasureGoalSpread(const GoalOptions& options, const DistanceFn& distance,
                             const std::vector<torch::Tensor>& demos);

}  // namespace v2r
