// The reward by a progress head: how far between the episode's start and the goal the picture is.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "reward/goal_set.h"
#include "reward/make.h"
#include "reward/reward_head.h"
#include "reward/reward_model.h"

namespace v2r {

// (mu, log sigma^2) = head(phi(o_0), phi(next_frame), phi(goal)), o_0 the episode's first picture
// and the goal that of the goal options (of several the one nearest to next_frame);
//   v = mu - progress.deviation * sigma - progress.entropy * H,  H = log(2 pi e sigma^2) / 2
// PROGRESSOR, arXiv:2411.17764: r = mu - alpha H (its earlier code, tedywond/rank2reward
// policy_learning/envs.py, samples instead of taking mu; a reward here never samples). Its online
// push-back of policy frames is not part of this. r = scale * (v - v_end) / (v_end - v_start), -1
// at the start and 0 at the end of a demonstration; without demo_scale r = scale * v. v_start,
// v_end: means over the demonstrations' first and last frames, each with its own first frame as
// o_0 and its own last one as the goal. Rows without an episode_step take the mean embedding of
// the demonstrations' first frames as phi(o_0). Parts: "progress_mean" = mu, "progress_std" =
// sigma.
class ProgressReward : public RewardModel {
 public:
  // UserError when the encoder file has no such head, or one of another layout.
  ProgressReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                 const torch::Device& device);
  // The picture before an episode's first step is its start.
  RewardNeeds Needs() const override { return RewardNeeds::kPair; }
  // phi(o_0) of the present episode.
  int64_t MemorySize() const override { return dims_; }
  // UserError when v does not rise along the demonstrations.
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::Tensor Starts(const RolloutFeatures& features) const;  // [T,N,D] phi(o_0); moves memory
  // Three [..., D] -> [...].
  torch::Tensor Value(const torch::Tensor& start, const torch::Tensor& now,
                      const torch::Tensor& goal, std::map<std::string, torch::Tensor>* parts) const;

  RewardOptions options_;
  int64_t dims_;
  torch::Device device_;
  RewardHead head_;
  GoalSet goals_;
  torch::Tensor start_;  // [D]
  DemoRange range_;
};

}  // namespace v2r
