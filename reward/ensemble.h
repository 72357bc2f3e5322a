// One reward of several encoders.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// Member k is the reward ensemble.of on the k-th encoder (the run's own, then ensemble.encoders),
// each with its own goal and scale from the demonstrations.
//   mean      mean_k r_k
//   minimum   min_k r_k
//   lower     mean_k r_k - std_weight * deviation_k r_k   (divided by K-1)
// lower: the imitation library's AddSTDRewardWrapper (rewards/reward_nets.py) with a negative
// weight. Parts: "member_K" and "ensemble_std".
class EnsembleReward : public RewardModel {
 public:
  EnsembleReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                 const torch::Device& device);
  RewardNeeds Needs() const override { return members_[0].reward->Needs(); }
  int64_t MemorySize() const override;
  std::vector<std::shared_ptr<const Encoder>> MoreEncoders() const override { return more_; }
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  struct Member {
    int64_t first = 0, dims = 0;  // where its embedding lies
    std::unique_ptr<RewardModel> reward;
  };

  RewardOptions options_;
  std::vector<std::shared_ptr<const Encoder>> more_;
  std::vector<Member> members_;
  int64_t dims_ = 0;
};

}  // namespace v2r
