#include "reward/goal_distance.h"

#include <utility>

#include "core/error.h"
#include "reward/demos.h"

namespace v2r {
namespace {

constexpr double kLogSharpness = 10.0;
constexpr double kMixedShare = 0.1;

}  // namespace

GoalDistanceReward::GoalDistanceReward(const RewardOptions& options,
                                       std::shared_ptr<const Encoder> encoder,
                                       const torch::Device& device)
    : options_(options),
      encoder_(std::move(encoder)),
      device_(device),
      goals_(options.goal, MakeDistance(options.distance, encoder_)) {}

RewardNeeds GoalDistanceReward::Needs() const {
  const bool pair = options_.form == "difference" || options_.form == "mixed";
  return pair ? RewardNeeds::kPair : RewardNeeds::kFrame;
}

void GoalDistanceReward::Calibrate(const DemoFeatures& demos) {
  const auto good = GoodDemos(demos, encoder_->embedding_dim(), device_);
  goals_.Fit(good, options_.wrong_goal);
  unit_ = options_.demo_scale ? goals_.spread().start_distance : 1.0;
}

torch::Tensor GoalDistanceReward::Compute(const RolloutFeatures& features,
                                          std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(unit_ > 0, "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto goal = goals_.per_episode() ? features.goal.to(device_) : torch::Tensor();
  const auto d = goals_.Distance(features.next.to(device_), goal) / unit_;
  if (parts != nullptr) (*parts)["goal_distance"] = d;
  torch::Tensor reward;
  if (options_.form == "negative") {
    reward = -d;
  } else if (options_.form == "log") {
    reward = -torch::log1p(kLogSharpness * d);
  } else if (options_.form == "exp") {
    reward = torch::exp(-d);
  } else if (options_.form == "squared") {
    reward = -d.square();
  } else {
    V2R_CHECK(features.current.defined());
    const auto before = goals_.Distance(features.current.to(device_), goal) / unit_;
    reward = options_.form == "difference" ? before - options_.form_gamma * d
                                           : before - d - kMixedShare * d;
  }
  return reward * options_.scale;
}

void GoalDistanceReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("goal_distance");
  state["unit"] = Blob::Scalar(unit_);
  StateDict goals;
  goals_.SaveState(goals);
  Merge(state, "goal", std::move(goals));
}

void GoalDistanceReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "goal_distance");
  unit_ = RequireScalar<double>(state, "unit", "checkpoint of the reward");
  goals_.LoadState(Under(state, "goal"), device_);
}

}  // namespace v2r
