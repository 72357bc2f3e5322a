// The task's own reward: the baseline and the upper mark, never a learned one.
#pragma once

#include <map>
#include <string>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// r_t = scale * env_reward_t.
class TrueReward : public RewardModel {
 public:
  explicit TrueReward(const RewardOptions& options) : scale_(options.scale) {}
  void Calibrate(const DemoFeatures& /*demos*/) override {}
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* /*parts*/) const override {
    return features.env_reward * scale_;
  }
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  double scale_;
};

}  // namespace v2r
