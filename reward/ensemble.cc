#include "reward/ensemble.h"

#include <utility>

#include "core/error.h"
#include "reward/demos.h"
#include "reward/embedder.h"
#include "reward/needs.h"

namespace v2r {

EnsembleReward::EnsembleReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                               const torch::Device& device)
    : options_(options), more_(v2r::MoreEncoders(options, device)) {
  std::vector<std::shared_ptr<const Encoder>> encoders = {std::move(encoder)};
  encoders.insert(encoders.end(), more_.begin(), more_.end());
  for (const auto& each : encoders) {
    members_.push_back({dims_, each->embedding_dim(),
                        MakePart(PartOptions(options, options.ensemble.of), each, device)});
    dims_ += each->embedding_dim();
  }
}

int64_t EnsembleReward::MemorySize() const {
  int64_t size = 0;
  for (const auto& member : members_) size += member.reward->MemorySize();
  return size;
}

void EnsembleReward::Calibrate(const DemoFeatures& demos) {
  GoodDemos(demos, dims_, torch::kCPU);
  for (auto& member : members_) {
    DemoFeatures own;
    for (const auto& demo : demos.good)
      own.good.push_back(demo.narrow(1, member.first, member.dims));
    member.reward->Calibrate(own);
  }
}

torch::Tensor EnsembleReward::Compute(const RolloutFeatures& features,
                                      std::map<std::string, torch::Tensor>* parts) const {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> all;
  int64_t carried = 0;
  for (size_t k = 0; k < members_.size(); ++k) {
    const Member& member = members_[k];
    RolloutFeatures own = features;
    for (torch::Tensor* z : {&own.next, &own.current, &own.goal}) {
      if (z->defined()) *z = z->narrow(-1, member.first, member.dims);
    }
    const int64_t size = member.reward->MemorySize();
    if (features.memory.defined()) own.memory = features.memory.narrow(1, carried, size);
    carried += size;
    all.push_back(member.reward->Compute(own, nullptr));
    if (parts != nullptr) (*parts)["member_" + std::to_string(k)] = all.back();
  }
  const auto rewards = torch::stack(all);
  const auto deviation = rewards.std(0, /*unbiased=*/true);
  if (parts != nullptr) (*parts)["ensemble_std"] = deviation;
  torch::Tensor combined;
  if (options_.ensemble.combine == "minimum") {
    combined = rewards.amin(0);
  } else {
    combined = rewards.mean(0);
    if (options_.ensemble.combine == "lower") {
      combined = combined - deviation * options_.ensemble.std_weight;
    }
  }
  return combined * options_.scale;
}

void EnsembleReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("ensemble");
  for (size_t k = 0; k < members_.size(); ++k) {
    StateDict member;
    members_[k].reward->SaveState(member);
    Merge(state, "member_" + std::to_string(k), std::move(member));
  }
}

void EnsembleReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "ensemble");
  for (size_t k = 0; k < members_.size(); ++k) {
    members_[k].reward->LoadState(Under(state, "member_" + std::to_string(k)));
  }
}

}  // namespace v2r
