// A weighted sum of rewards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// r = sum_k weights[k] * r_k, r_k the reward parts[k] without scale, all on one encoder. The part
// "success" is 1 at steps the task calls a success and 0 elsewhere: a sparse reward that is no
// video's, and nothing reads it unless it is named. Parts: "sum_NAME" = the weighted rewards.
class SumReward : public RewardModel {
 public:
  SumReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
            const torch::Device& device);
  RewardNeeds Needs() const override;
  int64_t MemorySize() const override;
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  struct Part {
    std::string name;
    double weight = 0;
    std::unique_ptr<RewardModel> reward;  // null: success
  };

  RewardOptions options_;
  torch::Device device_;
  std::vector<Part> parts_;
};

}  // namespace v2r
