// The reward by a goal classifier's head: does the picture show a goal?
#pragma once

#include <map>
#include <memory>
#include <string>

#include "reward/make.h"
#include "reward/reward_head.h"
#include "reward/reward_model.h"

namespace v2r {

// l = head(phi(next_frame)), the logit that pretrain.method=goal_classifier learns; v is
// goal_classifier.value of it: probability sigmoid(l) (XIRL, arXiv:2106.03911; google-research
// xirl, sac/wrappers.py, GoalClassifierLearnedVisualReward), log_probability log sigmoid(l),
// or logit l. r = scale * (v - v_end) / (v_end - v_start), -1 at the start and 0 at the end of a
// demonstration; without demo_scale r = scale * v. v_start, v_end: means over the demonstrations'
// first frame and last goal.last_frames frames. Parts: "goal_probability" = sigmoid(l).
class GoalClassifierReward : public RewardModel {
 public:
  // UserError when the encoder file has no such head, or one of another layout.
  GoalClassifierReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                       const torch::Device& device);
  // UserError when v does not rise along the demonstrations.
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::Tensor Value(const torch::Tensor& logit) const;  // of the same shape

  RewardOptions options_;
  int64_t dims_;
  torch::Device device_;
  RewardHead head_;
  DemoRange range_;
};

}  // namespace v2r
