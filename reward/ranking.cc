#include "reward/ranking.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "reward/demos.h"

namespace v2r {

RankingReward::RankingReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                             const torch::Device& device)
    : options_(options),
      dims_(encoder->embedding_dim()),
      device_(device),
      head_(options.head,
            {.reward = "ranking", .name = "rank", .method = "ranking", .embeddings = 1}, encoder,
            device) {}

torch::Tensor RankingReward::Score(const torch::Tensor& z) const {
  return head_.Apply(z).squeeze(-1);
}

void RankingReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  const auto good = GoodDemos(demos, dims_, device_);
  std::vector<torch::Tensor> first, last;
  for (const auto& demo : good) {
    const int64_t n = std::min(options_.goal.last_frames, demo.size(0));
    first.push_back(demo.narrow(0, 0, 1));
    last.push_back(demo.narrow(0, demo.size(0) - n, n));
  }
  range_ = DemoRange::Of(Score(torch::cat(first)), Score(torch::cat(last)), head_.name());
}

torch::Tensor RankingReward::Compute(const RolloutFeatures& features,
                                     std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(range_.known(), "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto u = Score(features.next);
  const double range = range_.end - range_.start;
  if (parts != nullptr) (*parts)["progress"] = (u - range_.start) / range;
  return (u - range_.end) * (options_.scale / (options_.demo_scale ? range : 1.0));
}

void RankingReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("ranking");
  range_.SaveState(state);
}

void RankingReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "ranking");
  range_.LoadState(state);
}

}  // namespace v2r
