// The online expert-versus-policy classifier: an addition to any learned reward.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "reward/make.h"
#include "reward/reward_model.h"

namespace v2r {

// Embeddings of the policy's last rollouts: `frames` rows drawn from each of the last `rollouts`.
class Reservoir {
 public:
  Reservoir(int64_t rollouts, int64_t frames) : rollouts_(rollouts), frames_(frames) {}
  // z [M, D]: keeps min(M, frames) of its rows, drawn without replacement, in the place of the
  // oldest rollout.
  void Add(const torch::Tensor& z, Rng& rng);
  int64_t size() const;                             // rows
  torch::Tensor Sample(int64_t n, Rng& rng) const;  // [n, D], with replacement; size() > 0
  void SaveState(StateDict& state) const;
  void LoadState(const StateDict& state, const torch::Device& device);

 private:
  int64_t rollouts_, frames_;
  torch::Tensor rows_;           // [rollouts, frames, D]
  std::vector<int64_t> counts_;  // rows in use of each rollout's place
  int64_t next_ = 0;             // place of the next rollout
};

// reward = base + weight * clip(logit, +-clip). The logit is an MLP's on the frozen embedding,
// standardised over the demonstrations; trained in Learn() by binary cross entropy (demonstration
// frames 1, reservoir 0) with mixup, so it is the classifier after its update that rewards the
// rollout. Before the first Learn() the addition is 0. Rank2Reward, arXiv:2404.14735, section IV.C;
// settings: docs/rewards.md. Parts: "base", "classifier" (weighted and clipped) and the base's own.
// Not thread-safe.
class ClassifierReward : public RewardModel {
 public:
  ClassifierReward(std::unique_ptr<RewardModel> base, const ClassifierOptions& options,
                   int64_t embedding_dim, const torch::Device& device);
  RewardNeeds Needs() const override { return base_->Needs(); }
  int64_t MemorySize() const override { return base_->MemorySize(); }
  std::vector<std::shared_ptr<const Encoder>> MoreEncoders() const override {
    return base_->MoreEncoders();
  }
  void Calibrate(const DemoFeatures& demos) override;
  torch::Tensor Compute(const RolloutFeatures& features,
                        std::map<std::string, torch::Tensor>* parts) const override;
  // Makes the next version of the reward; Compute, which comes after it, rewards the whole rollout
  // by that one. Metrics: reward/version, reward/classifier_loss (mean over the steps), reward/classifier_accuracy (after the
  // last step, on its unmixed batch).
  void Learn(const RolloutFeatures& features, Rng& rng, Metrics& metrics) override;
  bool HasOnlineParts() const override { return true; }
  // The demonstrations' embeddings are part of the state: a continuation learns from the same bits.
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  void MakeNetwork(Rng& rng);
  torch::Tensor Logits(const torch::Tensor& z) const;  // [..., D] -> [...]
  void SetDemos(torch::Tensor demos);

  std::unique_ptr<RewardModel> base_;
  ClassifierOptions options_;
  int64_t embedding_dim_;
  torch::Device device_;
  torch::Tensor demos_, mean_, deviation_;  // [M, D], [D], [D]
  Head head_;                               // null before the first Learn()
  std::unique_ptr<torch::optim::Adam> optimizer_;
  Reservoir reservoir_;
  int64_t version_ = 0;  // how often it has learned
};

}  // namespace v2r
