// How good a reward is before any reinforcement learning: numbers from demonstrations and from
// states of known true distance.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// States of the environment (expert and random actions), as pictures and as the truth.
struct RewardProbe {
  torch::Tensor embeddings;     // [P,D] float32
  torch::Tensor true_distance;  // [P] metres
  torch::Tensor
      goal;  // [P,D] embedding of the episode's goal picture (goal.kind=env), else undefined
};

struct QualityOptions {
  double near = 0.07;  // metres: states nearer than this are "near the goal"
  double top_share =
      0.01;  // share of best-rewarded states whose true distance is averaged (at least one state)
};

// The value below which a share of `values` lies, interpolated; NaN when there is none.
double QuantileOf(std::vector<double> values, double share);

// Spearman's correlation of rewards with minus the true distance on the states within `near` metres
// and on all; NaN where it is not defined.
struct TruthCorrelations {
  double near, broad;
  int64_t near_states = 0;
};
TruthCorrelations CorrelateWithTruth(const std::vector<double>& rewards,
                                     const std::vector<double>& distance, double near);
// Mean true distance of the best-rewarded share of the states, one at least.
double TopTrueDistance(const std::vector<double>& rewards, const std::vector<double>& distance,
                       double share);
// What a reward is judged by: without classifier, and of a difference that of which it is one.
RewardOptions JudgedReward(const RewardOptions& options);

// NaN where something was not given or is constant. Correlations are Spearman's, of the reward with
// minus the true distance: 1 is right, independent of the reward's form.
struct RewardQuality {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  int64_t good_clips = 0, near_miss_clips = 0, probe_states = 0, near_states = 0;
  double voc_median = kNone, voc_worst_decile = kNone;         // over good clips
  double auroc_mean_reward = kNone, auroc_last_frame = kNone;  // good against near-miss clips
  double correlation_near = kNone, correlation_broad = kNone;  // on states within `near`, on all
  double top_true_distance = kNone;                            // metres
  double goal_spread = kNone;                                  // goal spread / start-goal distance
  double wrong_goal_near = kNone,
         wrong_goal_broad = kNone;  // the correlations with the wrong goal: they must fall
  double render_gap = kNone;        // set by the caller, see reward/render_gap.h
  // Two columns and what each number says.
  std::string ToTable() const;
};

// Makes the reward of `options` (online parts off), calibrates it with demos.good and measures it;
// a goal reward again with wrong_goal. Rewards that are differences are judged by their potential
// (form negative): a difference says nothing about one state. With goal.kind=env a good clip's goal
// is its own last frame, and near-miss clips are left out (they show no goal). UserError: what
// MakeRewardModel and Calibrate throw, reward.name=true, a probe whose arrays do not fit.
RewardQuality MeasureRewardQuality(const RewardOptions& options,
                                   std::shared_ptr<const Encoder> encoder,
                                   const torch::Device& device, const DemoFeatures& demos,
                                   const RewardProbe& probe, const QualityOptions& quality = {});

}  // namespace v2r
