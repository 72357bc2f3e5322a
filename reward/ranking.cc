#include "reward/ranking.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "reward/demos.h"

namespace v2r {

RankingReward::RankingReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                             const torch::Device& device)
    : options_(options), encoder_(std::move(encoder)), device_(device) {
  const auto names = encoder_->HeadNames();
  if (!encoder_->HasHead(options_.head)) {
    ThrowUser(
        "reward.head: the encoder file has no head '{}'{} ({}). Pretrain with "
        "pretrain.method=ranking, or name another head",
        options_.head, DidYouMean(options_.head, names),
        names.empty() ? "it has no heads" : "it has: " + Join(names, ", "));
  }
  const auto probe = encoder_->ApplyHead(
      options_.head, torch::zeros({1, encoder_->embedding_dim()}, encoder_->device()));
  if (probe.size(-1) != 1) {
    ThrowUser("reward.head: head '{}' gives {} numbers a picture; ranking needs one", options_.head,
              probe.size(-1));
  }
}

torch::Tensor RankingReward::Score(const torch::Tensor& z) const {
  return encoder_->ApplyHead(options_.head, z.to(encoder_->device())).squeeze(-1).to(device_);
}

void RankingReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  const auto good = GoodDemos(demos, encoder_->embedding_dim(), device_);
  std::vector<torch::Tensor> first, last;
  for (const auto& demo : good) {
    const int64_t n = std::min(options_.goal.last_frames, demo.size(0));
    first.push_back(demo.narrow(0, 0, 1));
    last.push_back(demo.narrow(0, demo.size(0) - n, n));
  }
  u_start_ = Score(torch::cat(first)).mean().item<double>();
  u_end_ = Score(torch::cat(last)).mean().item<double>();
  if (!(u_end_ - u_start_ > 1e-6)) {
    ThrowUser(
        "head '{}' does not rise along the demonstrations (first frames {:.4g}, last frames "
        "{:.4g}): it was not trained to rank "
        "them, or on other data",
        options_.head, u_start_, u_end_);
  }
  calibrated_ = true;
}

torch::Tensor RankingReward::Compute(const RolloutFeatures& features,
                                     std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(calibrated_, "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto u = Score(features.next);
  const double range = u_end_ - u_start_;
  if (parts != nullptr) (*parts)["progress"] = (u - u_start_) / range;
  return (u - u_end_) * (options_.scale / (options_.demo_scale ? range : 1.0));
}

void RankingReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("ranking");
  state["u_start"] = Blob::Scalar(u_start_);
  state["u_end"] = Blob::Scalar(u_end_);
}

void RankingReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "ranking");
  u_start_ = RequireScalar<double>(state, "u_start", "checkpoint of the reward");
  u_end_ = RequireScalar<double>(state, "u_end", "checkpoint of the reward");
  calibrated_ = true;
}

}  // namespace v2r
