#include "reward/sum.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "reward/demos.h"
#include "reward/needs.h"

namespace v2r {

SumReward::SumReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                     const torch::Device& device)
    : options_(options), device_(device) {
  for (size_t i = 0; i < options.sum.parts.size(); ++i) {
    const std::string& name = options.sum.parts[i];
    Part part{name, options.sum.weights[i], nullptr};
    if (name != kSuccessPart) part.reward = MakePart(PartOptions(options, name), encoder, device);
    parts_.push_back(std::move(part));
  }
}

RewardNeeds SumReward::Needs() const {
  auto needs = RewardNeeds::kFrame;
  for (const Part& part : parts_) {
    if (part.reward != nullptr) needs = std::max(needs, part.reward->Needs());
  }
  return needs;
}

int64_t SumReward::MemorySize() const {
  int64_t size = 0;
  for (const Part& part : parts_) size += part.reward != nullptr ? part.reward->MemorySize() : 0;
  return size;
}

void SumReward::Calibrate(const DemoFeatures& demos) {
  for (Part& part : parts_) {
    if (part.reward != nullptr) part.reward->Calibrate(demos);
  }
}

torch::Tensor SumReward::Compute(const RolloutFeatures& features,
                                 std::map<std::string, torch::Tensor>* parts) const {
  const torch::NoGradGuard no_grad;
  auto sum = torch::zeros({features.next.size(0), features.next.size(1)},
                          torch::TensorOptions(torch::kFloat).device(device_));
  int64_t carried = 0;
  for (const Part& part : parts_) {
    torch::Tensor value;
    if (part.reward == nullptr) {
      value = features.success.defined() ? features.success.to(device_, torch::kFloat)
                                         : torch::zeros_like(sum);
    } else {
      RolloutFeatures own = features;
      const int64_t size = part.reward->MemorySize();
      if (features.memory.defined()) own.memory = features.memory.narrow(1, carried, size);
      carried += size;
      value = part.reward->Compute(own, parts);
    }
    value = value * part.weight;
    if (parts != nullptr) (*parts)["sum_" + part.name] = value;
    sum = sum + value;
  }
  return sum * options_.scale;
}

void SumReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("sum");
  for (const Part& part : parts_) {
    if (part.reward == nullptr) continue;
    StateDict own;
    part.reward->SaveState(own);
    Merge(state, "part." + part.name, std::move(own));
  }
}

void SumReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "sum");
  for (const Part& part : parts_) {
    if (part.reward != nullptr) part.reward->LoadState(Under(state, "part." + part.name));
  }
}

}  // namespace v2r
