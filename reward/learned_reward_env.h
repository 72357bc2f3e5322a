// The decorator that puts a reward model inside a vector environment.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "envs/vector_env.h"
#include "reward/embedder.h"
#include "reward/make.h"
#include "reward/reward_model.h"
#include "reward/rollout_recorder.h"

namespace v2r {

// Sums over the rewards of a rollout and their parts; the same numbers whether they came at once or
// step by step.
class RewardStatistics {
 public:
  // rewards, parts, done, transition: [T,N]. Rows that are no transition do not count.
  void Add(const torch::Tensor& rewards, const std::map<std::string, torch::Tensor>& parts,
           const torch::Tensor& done, const torch::Tensor& transition);
  // reward/mean, reward/std, reward/PART (mean), reward/PART_end (mean over last steps of episodes,
  // when there are any). Starts afresh.
  void Report(Metrics& metrics);

 private:
  double sum_ = 0, squares_ = 0, count_ = 0, ends_ = 0;
  std::map<std::string, double> part_sum_, part_end_sum_;
};

// See MakeLearnedRewardEnv. Deferred: pictures are copied while the rollout is made, encoded and
// rewarded in FinishRollout, where online parts learn first. Immediate: every step is a rollout of
// its own. Metrics of FinishRollout: those of RewardStatistics and of RewardModel::Learn,
// reward/encoded_frames and reward/encode_calls of this rollout. Timings: time/encode, time/reward.
class LearnedRewardEnv : public VectorEnvDecorator {
 public:
  LearnedRewardEnv(std::unique_ptr<VectorEnv> env, std::shared_ptr<const Encoder> encoder,
                   std::unique_ptr<RewardModel> reward, const RewardOptions& options,
                   uint64_t seed);
  const VectorEnvSpec& Spec() const override { return spec_; }
  BatchView Reset(uint64_t seed) override;
  BatchView StepWait() override { return Rewarded(inner_->StepWait()); }
  BatchView Step(std::span<const float> actions) override {
    return Rewarded(inner_->Step(actions));
  }
  void FinishRollout(std::span<float> rewards, Metrics& metrics) override;
  void SaveState(StateDict& state) const override;
  // UserError: a checkpoint of another encoder (both fingerprints), another reward, another number
  // of environments.
  void LoadState(const StateDict& state) override;
  Metrics Timings() const override;

 private:
  BatchView Rewarded(BatchView view);  // of the step just taken
  RolloutFeatures Encode();
  torch::Tensor Rewards(const RolloutFeatures& features);  // float32 CPU contiguous [T,N]
  void RequireWholeEpisodes(const RolloutFeatures& features) const;
  std::string Fingerprint() const;  // of all encoders
  const Embedder* embedder() const { return encoder_ == nullptr ? nullptr : &embedder_; }

  std::shared_ptr<const Encoder> encoder_;
  std::unique_ptr<RewardModel> reward_;
  Embedder embedder_;
  RewardOptions options_;
  VectorEnvSpec spec_;
  RolloutRecorder recorder_;
  RewardStatistics statistics_;
  Rng rng_;
  torch::Tensor memory_;             // [N,M] what the reward carries along the episodes
  std::vector<float> step_rewards_;  // [N] what BatchView::reward shows
  int64_t encoded_frames_ = 0, encode_calls_ = 0;
  double encode_seconds_ = 0, reward_seconds_ = 0;
};

}  // namespace v2r
