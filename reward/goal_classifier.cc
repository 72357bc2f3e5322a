#include "reward/goal_classifier.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "reward/demos.h"

namespace v2r {
namespace {

const char* const kName = "goal_classifier";

}  // namespace

GoalClassifierReward::GoalClassifierReward(const RewardOptions& options,
                                           std::shared_ptr<const Encoder> encoder,
                                           const torch::Device& device)
    : options_(options),
      dims_(encoder->embedding_dim()),
      device_(device),
      head_(options.head,
            {.reward = kName, .name = "goal", .method = "goal_classifier", .embeddings = 1},
            encoder, device) {}

torch::Tensor GoalClassifierReward::Value(const torch::Tensor& logit) const {
  if (options_.goal_classifier.value == "logit") return logit;
  if (options_.goal_classifier.value == "log_probability") return torch::log_sigmoid(logit);
  return torch::sigmoid(logit);
}

void GoalClassifierReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> first, last;
  for (const auto& demo : GoodDemos(demos, dims_, device_)) {
    const int64_t n = std::min(options_.goal.last_frames, demo.size(0));
    first.push_back(demo.narrow(0, 0, 1));
    last.push_back(demo.narrow(0, demo.size(0) - n, n));
  }
  range_ = DemoRange::Of(Value(head_.Apply(torch::cat(first))),
                         Value(head_.Apply(torch::cat(last))), head_.name());
}

torch::Tensor GoalClassifierReward::Compute(const RolloutFeatures& features,
                                            std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(range_.known(), "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto logit = head_.Apply(features.next).squeeze(-1);
  if (parts != nullptr) (*parts)["goal_probability"] = torch::sigmoid(logit);
  const auto v = Value(logit);
  return (options_.demo_scale ? range_.Scaled(v) : v) * options_.scale;
}

void GoalClassifierReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob(kName);
  range_.SaveState(state);
}

void GoalClassifierReward::LoadState(const StateDict& state) {
  RequireRewardName(state, kName);
  range_.LoadState(state);
}

}  // namespace v2r
