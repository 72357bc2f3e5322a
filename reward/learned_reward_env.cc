#include "reward/learned_reward_env.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/tensor_file.h"
#include "reward/needs.h"

namespace v2r {
namespace {

const char* const kName = "learned_reward";
const char* const kWhat = "checkpoint of the learned reward";

RecorderNeeds NeedsOf(const RewardOptions& options, const RewardModel& reward) {
  RecorderNeeds needs;
  needs.frame = NeedsFrames(options);
  needs.pair = reward.Needs() != RewardNeeds::kFrame;
  needs.goal = NeedsGoalFrames(options);
  needs.every = options.every;
  return needs;
}

}  // namespace

void RewardStatistics::Add(const torch::Tensor& rewards,
                           const std::map<std::string, torch::Tensor>& parts,
                           const torch::Tensor& done, const torch::Tensor& transition) {
  const auto weight = transition.to(torch::kDouble);
  const auto ends = weight * done.to(torch::kDouble);
  const auto values = rewards.to(torch::kDouble);
  sum_ += (values * weight).sum().item<double>();
  squares_ += (values.square() * weight).sum().item<double>();
  count_ += weight.sum().item<double>();
  ends_ += ends.sum().item<double>();
  for (const auto& [name, part] : parts) {
    const auto part_values = part.to(torch::kCPU, torch::kDouble);
    part_sum_[name] += (part_values * weight).sum().item<double>();
    part_end_sum_[name] += (part_values * ends).sum().item<double>();
  }
}

void RewardStatistics::Report(Metrics& metrics) {
  if (count_ > 0) {
    const double mean = sum_ / count_;
    metrics["reward/mean"] = mean;
    metrics["reward/std"] = std::sqrt(std::max(0.0, squares_ / count_ - mean * mean));
    for (const auto& [name, sum] : part_sum_) metrics["reward/" + name] = sum / count_;
  }
  if (ends_ > 0) {
    for (const auto& [name, sum] : part_end_sum_) metrics["reward/" + name + "_end"] = sum / ends_;
  }
  *this = {};
}

LearnedRewardEnv::LearnedRewardEnv(std::unique_ptr<VectorEnv> env,
                                   std::shared_ptr<const Encoder> encoder,
                                   std::unique_ptr<RewardModel> reward,
                                   const RewardOptions& options, uint64_t seed)
    : VectorEnvDecorator(std::move(env)),
      encoder_(std::move(encoder)),
      reward_(std::move(reward)),
      embedder_(encoder_.get(), reward_->MoreEncoders()),
      options_(options),
      spec_(inner_->Spec()),
      recorder_(inner_->Spec(), NeedsOf(options, *reward_),
                encoder_ != nullptr && encoder_->device().is_cuda()),
      rng_(Rng(seed).Fork("reward")),
      step_rewards_(inner_->Spec().num_envs, std::numeric_limits<float>::quiet_NaN()) {
  spec_.deferred_rewards = options_.timing == "deferred";
  if (reward_->MemorySize() > 0) {
    memory_ = torch::zeros({spec_.num_envs, reward_->MemorySize()});
  }
}

std::string LearnedRewardEnv::Fingerprint() const {
  if (encoder_ == nullptr) return "none";
  std::string all = encoder_->Fingerprint();
  for (const auto& encoder : reward_->MoreEncoders()) all += "+" + encoder->Fingerprint();
  return all;
}

void LearnedRewardEnv::RequireWholeEpisodes(const RolloutFeatures& features) const {
  const auto step = features.episode_step.accessor<int64_t, 2>();
  const auto done = features.done.accessor<uint8_t, 2>();
  const auto transition = features.transition.accessor<uint8_t, 2>();
  for (int64_t n = 0; n < step.size(1); ++n) {
    int64_t last = -1;
    for (int64_t t = 0; t < step.size(0); ++t) {
      if (transition[t][n] == 0) continue;
      if (last >= 0 && step[t][n] == 1 && done[last][n] == 0) break;  // a Reset() cut it
      last = t;
    }
    if (last < 0 || done[last][n] != 0) continue;
    ThrowUser(
        "reward '{}' rewards whole episodes, and this rollout ends {} steps into one of "
        "environment {}: make agent.num_steps a multiple of the episode's steps (at most {} here); "
        "tasks whose episodes end early need another reward",
        options_.name, step[last][n], n, spec_.max_episode_steps);
  }
}

BatchView LearnedRewardEnv::Reset(uint64_t seed) {
  BatchView view = inner_->Reset(seed);
  recorder_.Reset(view);
  if (recorder_.steps() == 0) {
    const ScopedTimer timer(encode_seconds_);
    encoded_frames_ += recorder_.frames();
    recorder_.Flush(embedder(), options_.chunk_size, encode_calls_);
  }
  std::fill(step_rewards_.begin(), step_rewards_.end(),
            spec_.deferred_rewards ? std::numeric_limits<float>::quiet_NaN() : 0.0f);
  view.reward = step_rewards_;
  return view;
}

RolloutFeatures LearnedRewardEnv::Encode() {
  const ScopedTimer timer(encode_seconds_);
  encoded_frames_ += recorder_.frames();
  auto features = recorder_.Take(embedder(), options_.chunk_size, encode_calls_);
  features.memory = memory_;
  if (reward_->Needs() == RewardNeeds::kEpisode) RequireWholeEpisodes(features);
  return features;
}

torch::Tensor LearnedRewardEnv::Rewards(const RolloutFeatures& features) {
  std::map<std::string, torch::Tensor> parts;
  const auto& transition = recorder_.transition();
  auto rewards = reward_->Compute(features, &parts).to(torch::kCPU, torch::kFloat);
  V2R_CHECK(rewards.sizes() == transition.sizes());
  rewards = torch::where(transition.to(torch::kBool), rewards, torch::zeros_like(rewards));
  statistics_.Add(rewards, parts, features.done, transition);
  return rewards.contiguous();
}

BatchView LearnedRewardEnv::Rewarded(BatchView view) {
  recorder_.Add(view);
  if (!spec_.deferred_rewards) {
    const auto features = Encode();
    const ScopedTimer timer(reward_seconds_);
    const auto rewards = Rewards(features);
    std::copy_n(rewards.data_ptr<float>(), step_rewards_.size(), step_rewards_.begin());
  }
  view.reward = step_rewards_;
  return view;
}

void LearnedRewardEnv::FinishRollout(std::span<float> rewards, Metrics& metrics) {
  inner_->FinishRollout(rewards, metrics);
  if (spec_.deferred_rewards && recorder_.steps() > 0) {
    const int64_t expected = recorder_.steps() * spec_.num_envs;
    V2R_CHECK(static_cast<int64_t>(rewards.size()) == expected,
              "FinishRollout got room for {} rewards; {} steps of {} environments were made",
              rewards.size(), recorder_.steps(), spec_.num_envs);
    const auto features = Encode();
    const ScopedTimer timer(reward_seconds_);
    reward_->Learn(features, rng_, metrics);
    const auto values = Rewards(features);
    std::copy_n(values.data_ptr<float>(), rewards.size(), rewards.begin());
  }
  statistics_.Report(metrics);
  metrics["reward/encoded_frames"] = static_cast<double>(std::exchange(encoded_frames_, 0));
  metrics["reward/encode_calls"] = static_cast<double>(std::exchange(encode_calls_, 0));
}

void LearnedRewardEnv::SaveState(StateDict& state) const {
  inner_->SaveState(state);
  StateDict own, recorder, model;
  recorder_.SaveState(recorder);
  Merge(own, "recorder", std::move(recorder));
  reward_->SaveState(model);
  Merge(own, "model", std::move(model));
  if (memory_.defined()) own["memory"] = ToBlob(memory_);
  own["encoder"] = TextBlob(Fingerprint());
  const Rng::State rng = rng_.Save();
  const std::vector<int64_t> words = {static_cast<int64_t>(rng.key),
                                      static_cast<int64_t>(rng.counter),
                                      static_cast<int64_t>(rng.position)};
  own["rng"] = Blob::Of<int64_t>(words);
  Merge(state, kName, std::move(own));
}

void LearnedRewardEnv::LoadState(const StateDict& state) {
  const StateDict own = Under(state, kName);
  if (own.empty())
    ThrowUser(
        "the checkpoint has no learned reward: it was made with reward.name=true and no decorator");
  const std::string found = BlobText(Require(own, "encoder", kWhat));
  if (found != Fingerprint()) {
    ThrowUser(
        "{}: it was made with encoder {}, this run uses encoder {}: give the run the encoder file "
        "of the checkpoint",
        kWhat, found, Fingerprint());
  }
  const auto words = Require(own, "rng", kWhat).as<int64_t>();
  if (words.size() != 3) ThrowUser("{}: rng should be 3 numbers, has {}", kWhat, words.size());
  inner_->LoadState(state);
  recorder_.LoadState(Under(own, "recorder"),
                      encoder_ == nullptr ? torch::kCPU : encoder_->device());
  reward_->LoadState(Under(own, "model"));
  memory_ = torch::Tensor();
  if (reward_->MemorySize() > 0) {
    memory_ = ToTensor(Require(own, "memory", kWhat));
    V2R_CHECK(memory_.size(0) == spec_.num_envs && memory_.size(1) == reward_->MemorySize());
  }
  rng_.Load({static_cast<uint64_t>(words[0]), static_cast<uint64_t>(words[1]),
             static_cast<uint64_t>(words[2])});
  statistics_ = {};
  encoded_frames_ = encode_calls_ = 0;
}

Metrics LearnedRewardEnv::Timings() const {
  Metrics timings = inner_->Timings();
  timings["time/encode"] += encode_seconds_;
  timings["time/reward"] += reward_seconds_;
  return timings;
}

std::unique_ptr<VectorEnv> MakeLearnedRewardEnv(std::unique_ptr<VectorEnv> env,
                                                std::shared_ptr<const Encoder> encoder,
                                                std::unique_ptr<RewardModel> reward,
                                                const RewardOptions& options, uint64_t seed) {
  CheckRewardOptions(options);
  V2R_CHECK(env != nullptr && reward != nullptr);
  const auto& spec = env->Spec();
  if (spec.deferred_rewards) {
    ThrowUser("{}: its reward is learned already; decorate an environment once", spec.name);
  }
  if (NeedsFrames(options) && (spec.height == 0 || spec.width == 0)) {
    ThrowUser("{}: reward '{}' reads pictures and this environment draws none; set env.render=true",
              spec.name, options.name);
  }
  RequireEveryPicture(options, spec.render_every);
  if (NeedsGoalFrames(options) && !spec.has_goal_frame) {
    ThrowUser(
        "{}: reward.goal.kind=env, but this task draws no goal picture; use goal.kind=mean or "
        "nearest, or a task with a goal "
        "per episode",
        spec.name);
  }
  return std::make_unique<LearnedRewardEnv>(std::move(env),
                                            RequireEncoder(options, std::move(encoder)),
                                            std::move(reward), options, seed);
}

}  // namespace v2r
