// The reward by the distance to the goal in the embedding.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "reward/goal_set.h"
#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// With d_t = distance(phi(next_frame_t), goal) / c, d0_t the same of the picture the action was
// taken in, Phi = -d:
//   negative    -d                         (XIRL; c as GraphIRL's compute_goal_embedding.py)
//   log         -log(1 + 10 d)             (the sharp term of Levine et al. 2016, arXiv:1504.00702,
//   appendix B.1, shifted to 0 at the goal) exp         exp(-d) squared     -d^2 (TCN,
//   arXiv:1704.06888, section III.B, without the Huber term) difference  form_gamma * Phi' - Phi
//   (VIP, arXiv:2210.00030, with form_gamma = 1; potential shaping otherwise) mixed       0.1 *
//   Phi' + (Phi' - Phi)
// c = the demonstrations' mean start-goal distance (demo_scale) or 1, so -d is about -1 at the
// start and 0 at the goal. The result is multiplied by `scale`. The picture of the last step of an
// episode counts like any other, terminated or not. Parts: "goal_distance" = d.
class GoalDistanceReward : public RewardModel {
 public:
  // `encoder` may not be null.
  GoalDistanceReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                     const torch::Device& device);
  RewardNeeds Needs() const override;
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;
  const GoalSet& goals() const { return goals_; }

 private:
  RewardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  GoalSet goals_;
  double unit_ = 0;  // c; 0 = not calibrated
};

}  // namespace v2r
