// Rewards that follow a demonstration frame by frame.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// A match j_k in each demonstration k of L_k frames starts an episode at its first frame (0) and
// moves on by min_step to max_step frames a step, to the nearest of those:
//   j_k = argmin over j in [j_k + min_step, j_k + max_step] of d(phi(next_frame), demo_k[j])
//   r   = max over k of  -d / c - progress * (1 - j_k / (L_k - 1))
// so that a picture is compared with where the episode may have got to, never with an earlier frame
// again; d is the distance, c the demonstrations' mean start-goal distance (demo_scale) or 1. Rows
// without an episode_step are pictures of no episode: every j is open to them. Parts: "position" =
// j / (L-1) and "demo_distance" = d / c of the demonstration chosen.
class NearestNeighbourReward : public RewardModel {
 public:
  NearestNeighbourReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                         const torch::Device& device);
  // A match for each demonstration: known after Calibrate or LoadState.
  int64_t MemorySize() const override { return static_cast<int64_t>(demos_.size()); }
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  RewardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  std::string metric_;
  std::vector<torch::Tensor> demos_;
  double unit_ = 0;  // c; 0 = not calibrated
};

// v = phi(next_frame) after step t of an episode, w = frame min(t, L-1) of good demonstration
// tracking.demo, both over c as above:
//   r = -alpha * ||v - w||^2 - beta * sqrt(gamma + ||v - w||^2)
// (TCN, arXiv:1704.06888, section III.B; the Euclidean distance, whatever the encoder's metric is).
// Bound to time: a policy that is faster or slower than the demonstration is punished for it. Rows
// without an episode_step are compared with every frame, the best counts. Parts: "demo_distance" =
// ||v - w||.
class TcnTrackingReward : public RewardModel {
 public:
  TcnTrackingReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                    const torch::Device& device);
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  RewardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  torch::Tensor demo_;  // [L,D]
  double unit_ = 0;
};

}  // namespace v2r
