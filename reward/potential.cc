#include "reward/potential.h"

#include <utility>

#include "core/error.h"
#include "reward/demos.h"
#include "reward/needs.h"

namespace v2r {

PotentialReward::PotentialReward(const RewardOptions& options,
                                 std::shared_ptr<const Encoder> encoder,
                                 const torch::Device& device)
    : options_(options),
      of_(MakePart(PartOptions(options, options.potential.of), std::move(encoder), device)) {}

torch::Tensor PotentialReward::Compute(const RolloutFeatures& features,
                                       std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(features.current.defined());
  const torch::NoGradGuard no_grad;
  RolloutFeatures before = features;
  before.next = features.current;
  if (features.memory.defined()) before.memory = features.memory.clone();
  auto later = of_->Compute(features, parts);
  const auto earlier = of_->Compute(before, nullptr);
  if (parts != nullptr) (*parts)["potential"] = later;
  if (options_.name == "potential") {
    if (features.terminated.defined()) {
      later = later * (1 - features.terminated.to(later.device(), torch::kFloat));
    }
    later = later * options_.potential.gamma;
  }
  return (later - earlier) * options_.scale;
}

void PotentialReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob(options_.name);
  StateDict of;
  of_->SaveState(of);
  Merge(state, "of", std::move(of));
}

void PotentialReward::LoadState(const StateDict& state) {
  RequireRewardName(state, options_.name);
  of_->LoadState(Under(state, "of"));
}

}  // namespace v2r
