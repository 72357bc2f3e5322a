// The reward by a ranking head: how late a picture looks.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "reward/make.h"
#include "reward/reward_head.h"
#include "reward/reward_model.h"

namespace v2r {

// u = head(phi(next_frame)). r = scale * (u - u_end) / (u_end - u_start), about -1 at the start and
// 0 at the end of a demonstration; without demo_scale r = scale * (u - u_end). u_start, u_end:
// means over the demonstrations' first frame and last goal.last_frames frames. Ranking of frames:
// Rank2Reward, arXiv:2404.14735. Parts: "progress" = (u - u_start) / (u_end - u_start).
class RankingReward : public RewardModel {
 public:
  // UserError when the encoder file has no such head, or one of another layout.
  RankingReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                const torch::Device& device);
  // UserError when the head does not rise along the demonstrations.
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::Tensor Score(const torch::Tensor& z) const;  // [..., D] -> [...]

  RewardOptions options_;
  int64_t dims_;
  torch::Device device_;
  RewardHead head_;
  DemoRange range_;
};

}  // namespace v2r
