#include "reward/tracking.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/tensor_file.h"
#include "reward/demos.h"
#include "reward/distance.h"

namespace v2r {
namespace {

const char* const kWhat = "checkpoint of the reward";

}  // namespace

NearestNeighbourReward::NearestNeighbourReward(const RewardOptions& options,
                                               std::shared_ptr<const Encoder> encoder,
                                               const torch::Device& device)
    : options_(options),
      encoder_(std::move(encoder)),
      device_(device),
      metric_(MetricName(options.distance, *encoder_)) {}

void NearestNeighbourReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  demos_ = GoodDemos(demos, encoder_->embedding_dim(), device_);
  const double distance = StartGoalDistance(metric_, demos_);
  unit_ = options_.demo_scale ? distance : 1.0;
}

torch::Tensor NearestNeighbourReward::Compute(const RolloutFeatures& features,
                                              std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(unit_ > 0, "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const int64_t steps = features.next.size(0), envs = features.next.size(1);
  const auto z = features.next.to(device_, torch::kFloat).flatten(0, 1);
  const auto count = static_cast<int64_t>(demos_.size());
  auto rewards = torch::full({steps, envs}, -std::numeric_limits<float>::infinity());
  auto positions = torch::zeros({steps, envs}), distances = torch::zeros({steps, envs});
  auto best = rewards.accessor<float, 2>();
  auto position = positions.accessor<float, 2>(), distance = distances.accessor<float, 2>();
  const bool alone = !features.episode_step.defined();
  const auto step = alone ? torch::zeros({steps, envs}, torch::kInt64) : features.episode_step;
  const auto step_of = step.accessor<int64_t, 2>();
  const auto moves = features.transition.defined() ? features.transition
                                                   : torch::ones({steps, envs}, torch::kUInt8);
  const auto is_step = moves.accessor<uint8_t, 2>();
  auto memory = features.memory.defined() ? features.memory : torch::zeros({envs, count});
  auto match = memory.accessor<float, 2>();
  for (int64_t k = 0; k < count; ++k) {
    const int64_t last = demos_[k].size(0) - 1;
    const auto d = PairwiseDistance(metric_, z, demos_[k]).div_(unit_).cpu().contiguous();
    const float* row = d.data_ptr<float>();
    for (int64_t t = 0; t < steps; ++t) {
      for (int64_t n = 0; n < envs; ++n) {
        const float* from = row + (t * envs + n) * (last + 1);
        if (step_of[t][n] == 1) match[n][k] = 0;
        const auto at = static_cast<int64_t>(match[n][k]);
        int64_t low = 0, high = last;
        if (!alone) {
          low = is_step[t][n] != 0 ? std::min(at + options_.tracking.min_step, last) : at;
          high = is_step[t][n] != 0 ? std::min(at + options_.tracking.max_step, last) : at;
        }
        int64_t chosen = low;
        const auto share = [&](int64_t j) {
          return last > 0 ? static_cast<double>(j) / static_cast<double>(last) : 1.0;
        };
        const auto reward = [&](int64_t j) {
          return static_cast<float>(-from[j] - options_.tracking.progress * (1 - share(j)));
        };
        for (int64_t j = low; j <= high; ++j) {
          // A picture of no episode gets the best reward, an episode moves to the nearest frame.
          const bool better = alone ? reward(j) > reward(chosen) : from[j] < from[chosen];
          if (better) chosen = j;
        }
        match[n][k] = static_cast<float>(chosen);
        if (reward(chosen) <= best[t][n]) continue;
        best[t][n] = reward(chosen);
        position[t][n] = static_cast<float>(share(chosen));
        distance[t][n] = from[chosen];
      }
    }
  }
  if (parts != nullptr) {
    (*parts)["position"] = positions;
    (*parts)["demo_distance"] = distances;
  }
  return (rewards * options_.scale).to(device_);
}

void NearestNeighbourReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("nearest_neighbour");
  state["unit"] = Blob::Scalar(unit_);
  SaveDemoRows(state, demos_);
}

void NearestNeighbourReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "nearest_neighbour");
  unit_ = RequireScalar<double>(state, "unit", kWhat);
  demos_ = LoadDemoRows(state, device_);
}

TcnTrackingReward::TcnTrackingReward(const RewardOptions& options,
                                     std::shared_ptr<const Encoder> encoder,
                                     const torch::Device& device)
    : options_(options), encoder_(std::move(encoder)), device_(device) {}

void TcnTrackingReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  const auto good = GoodDemos(demos, encoder_->embedding_dim(), device_);
  if (options_.tracking.demo >= static_cast<int64_t>(good.size())) {
    ThrowUser("reward.tracking.demo={}: there are {} good demonstrations, counted from 0",
              options_.tracking.demo, good.size());
  }
  demo_ = good[options_.tracking.demo].clone();
  const double distance = StartGoalDistance("l2", good);
  unit_ = options_.demo_scale ? distance : 1.0;
}

torch::Tensor TcnTrackingReward::Compute(const RolloutFeatures& features,
                                         std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(unit_ > 0, "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto z = features.next.to(device_, torch::kFloat);
  torch::Tensor d;
  if (features.episode_step.defined()) {
    const auto frame = features.episode_step.clamp(0, demo_.size(0) - 1).flatten().to(device_);
    d = EmbeddingDistance("l2", z, demo_.index_select(0, frame).view_as(z));
  } else {
    d = PairwiseDistance("l2", z.flatten(0, 1), demo_).amin(1).view({z.size(0), z.size(1)});
  }
  d = d / unit_;
  if (parts != nullptr) (*parts)["demo_distance"] = d;
  const auto squared = d.square();
  return (squared * options_.tracking.alpha +
          torch::sqrt(squared + options_.tracking.gamma) * options_.tracking.beta) *
         -options_.scale;
}

void TcnTrackingReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("tcn_tracking");
  state["unit"] = Blob::Scalar(unit_);
  state["demo"] = ToBlob(demo_);
}

void TcnTrackingReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "tcn_tracking");
  unit_ = RequireScalar<double>(state, "unit", kWhat);
  demo_ = ToTensor(Require(state, "demo", kWhat)).to(device_);
}

}  // namespace v2r
