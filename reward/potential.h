// Rewards that are what a step changes in another reward of single pictures.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// Phi = the reward potential.of (without scale) of one picture, o the picture the action was taken
// in, o' the one after the step.
//   potential         gamma * Phi(o') * (1 - terminated) - Phi(o)
//   value_difference  Phi(o') - Phi(o)
// potential: Ng et al. 1999 with the terminal rule of the imitation library
// (rewards/reward_nets.py, ShapedRewardNet): a terminal state's potential counts as 0, that of an
// episode that a time limit cut as itself. value_difference: VIP, arXiv:2210.00030, V(o';g) -
// V(o;g). Parts: "potential" = Phi(o').
class PotentialReward : public RewardModel {
 public:
  PotentialReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                  const torch::Device& device);
  RewardNeeds Needs() const override { return RewardNeeds::kPair; }
  int64_t MemorySize() const override { return of_->MemorySize(); }
  void Calibrate(const DemoFeatures& demos) override { of_->Calibrate(demos); }
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  RewardOptions options_;
  std::unique_ptr<RewardModel> of_;
};

}  // namespace v2r
