// The reward by optimal transport between the episode and the demonstrations.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// An episode's pictures after its n steps, o_1 .. o_n, against a demonstration's, d_1 .. d_m (its
// frame 0 is the start, as o_0 is): C_ij = distance(phi(o_i), phi(d_j)), T = Sinkhorn(C),
//   r_i = -(n / c) sum_j T_ij C_ij
// of the demonstration whose rewards sum highest (ROT, arXiv:2206.15469). c = the mean of C over
// the demonstrations' own frames when nothing moves, so that an episode that stands still at the
// start has -1 a step and one that follows a demonstration about 0; without demo_scale n / c is 1,
// the papers' r_i. context k: C_ij is the mean over C_i+0,j+0 .. C_i+k-1,j+k-1 (the last frames
// repeat), mask w: only pairs with |(i-1)(m-1)/(n-1) - (j-1)| <= max(w, m/n) may be matched
// (TemporalOT, arXiv:2410.21795). Parts: "transport_cost" = -r without scale.
class OptimalTransportReward : public RewardModel {
 public:
  OptimalTransportReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                         const torch::Device& device);
  RewardNeeds Needs() const override { return RewardNeeds::kEpisode; }
  void Calibrate(const DemoFeatures& demos) override;
  // Rows without an episode_step: each column of [T,N] is one episode.
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::Tensor Costs(const torch::Tensor& episodes, const torch::Tensor& demo) const;
  torch::Tensor CostOfEpisodes(const torch::Tensor& episodes) const;  // [B,n,D] -> [B,n]

  RewardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  std::string metric_;
  std::vector<torch::Tensor> demos_;  // [m_i,D], without their first frames
  double unit_ = 0;                   // c; 0 = not calibrated
};

}  // namespace v2r
