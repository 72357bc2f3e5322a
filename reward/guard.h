// What keeps a reward inside what the demonstrations have shown.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// r = clip(base, low, high) - penalty * max(0, ood - 1). low and high: the percentiles guard.clip
// of what base rewards in the good demonstrations (VIPER scales by such a range, arXiv:2305.14343).
// ood = distance of phi(next_frame) to the nearest frame of all good demonstrations, over
// guard.percentile of the same distance of each demonstration's frames to the other demonstrations
// (with one demonstration: to its other frames). Parts: those of base, "clipped" (1 where the
// reward was), "ood", "ood_share" (1 where ood > 1).
class GuardReward : public RewardModel {
 public:
  GuardReward(std::unique_ptr<RewardModel> base, const RewardOptions& options,
              std::shared_ptr<const Encoder> encoder, const torch::Device& device);
  RewardNeeds Needs() const override { return base_->Needs(); }
  int64_t MemorySize() const override { return base_->MemorySize(); }
  std::vector<std::shared_ptr<const Encoder>> MoreEncoders() const override {
    return base_->MoreEncoders();
  }
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  bool watches() const { return options_.monitor || options_.penalty > 0; }
  torch::Tensor NearestDemo(const torch::Tensor& z) const;  // [P,D] -> [P]

  std::unique_ptr<RewardModel> base_;
  GuardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  std::string metric_;
  double low_ = 0, high_ = 0;
  torch::Tensor demos_;  // [M,D] frames of all demonstrations, of the run's encoder
  double unit_ = 0;
};

}  // namespace v2r
