#include "reward/guard.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/tensor_file.h"
#include "reward/demos.h"
#include "reward/distance.h"

namespace v2r {
namespace {

const char* const kWhat = "checkpoint of the reward";

double Percentile(const torch::Tensor& values, double percent) {
  return torch::quantile(values.to(torch::kCPU, torch::kDouble), percent / 100).item<double>();
}

}  // namespace

GuardReward::GuardReward(std::unique_ptr<RewardModel> base, const RewardOptions& options,
                         std::shared_ptr<const Encoder> encoder, const torch::Device& device)
    : base_(std::move(base)),
      options_(options.guard),
      encoder_(std::move(encoder)),
      device_(device),
      metric_(MetricName(options.distance, *encoder_)) {}

void GuardReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  base_->Calibrate(demos);
  if (!options_.clip.empty()) {
    std::vector<torch::Tensor> rewards;
    for (const auto& demo : demos.good) {
      if (demo.size(0) < 2) continue;
      rewards.push_back(base_->Compute(ClipFeatures(demo, /*good=*/true), nullptr).flatten());
    }
    if (rewards.empty()) ThrowUser("reward.guard.clip: no demonstration has two frames");
    low_ = Percentile(torch::cat(rewards), options_.clip[0]);
    high_ = Percentile(torch::cat(rewards), options_.clip[1]);
  }
  if (!watches()) return;
  std::vector<torch::Tensor> rows, nearest;
  for (const auto& demo : demos.good) {
    rows.push_back(demo.to(device_, torch::kFloat).narrow(1, 0, encoder_->embedding_dim()));
  }
  demos_ = torch::cat(rows).clone();
  for (int64_t i = 0, first = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    auto d = PairwiseDistance(metric_, rows[i], demos_);
    const int64_t length = rows[i].size(0);
    if (rows.size() > 1) {
      d.narrow(1, first, length).fill_(std::numeric_limits<float>::infinity());
    } else {
      d.fill_diagonal_(std::numeric_limits<float>::infinity());
    }
    nearest.push_back(d.amin(1));
    first += length;
  }
  unit_ = Percentile(torch::cat(nearest), options_.percentile);
  if (!(unit_ > 0 && unit_ < std::numeric_limits<double>::infinity())) {
    ThrowUser(
        "reward.guard: the demonstrations' frames are {:.3g} from each other at percentile {}; "
        "there is no measure for what is far",
        unit_, options_.percentile);
  }
}

torch::Tensor GuardReward::NearestDemo(const torch::Tensor& z) const {
  constexpr int64_t kBlock = 1 << 22;  // distances at once
  const int64_t rows = std::max<int64_t>(1, kBlock / demos_.size(0));
  std::vector<torch::Tensor> nearest;
  for (const auto& part : z.split(rows)) {
    nearest.push_back(PairwiseDistance(metric_, part, demos_).amin(1));
  }
  return torch::cat(nearest);
}

torch::Tensor GuardReward::Compute(const RolloutFeatures& features,
                                   std::map<std::string, torch::Tensor>* parts) const {
  const torch::NoGradGuard no_grad;
  auto rewards = base_->Compute(features, parts);
  if (!options_.clip.empty()) {
    const auto clipped = rewards.clamp(low_, high_);
    if (parts != nullptr) (*parts)["clipped"] = (clipped != rewards).to(torch::kFloat);
    rewards = clipped;
  }
  if (!watches()) return rewards;
  V2R_CHECK(demos_.defined(), "Calibrate() the reward first");
  const auto z = features.next.to(device_, torch::kFloat).narrow(-1, 0, demos_.size(1));
  const auto ood =
      NearestDemo(z.reshape({-1, z.size(-1)})).view({z.size(0), z.size(1)}).to(rewards.device()) /
      unit_;
  if (parts != nullptr) {
    (*parts)["ood"] = ood;
    (*parts)["ood_share"] = (ood > 1).to(torch::kFloat);
  }
  return rewards - (ood - 1).clamp_min(0) * options_.penalty;
}

void GuardReward::SaveState(StateDict& state) const {
  StateDict base;
  base_->SaveState(base);
  Merge(state, "base", std::move(base));
  state["low"] = Blob::Scalar(low_);
  state["high"] = Blob::Scalar(high_);
  state["unit"] = Blob::Scalar(unit_);
  if (demos_.defined()) state["frames"] = ToBlob(demos_);
}

void GuardReward::LoadState(const StateDict& state) {
  if (!state.contains("low")) {
    ThrowUser("the checkpoint has no guard: it was made without reward.guard.*");
  }
  base_->LoadState(Under(state, "base"));
  low_ = RequireScalar<double>(state, "low", kWhat);
  high_ = RequireScalar<double>(state, "high", kWhat);
  unit_ = RequireScalar<double>(state, "unit", kWhat);
  if (watches()) demos_ = ToTensor(Require(state, "frames", kWhat)).to(device_);
}

}  // namespace v2r
