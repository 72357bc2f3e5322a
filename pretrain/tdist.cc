#include "pretrain/tdist.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

constexpr char kGoalLabel[] = "good";

}  // namespace

Tdist::Tdist(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  RefuseFrozenEncoder();
}

void Tdist::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips);
  if (options_.goal_share == 0) return;
  if (clips.WithLabel(kGoalLabel).empty()) {
    ThrowUser(
        "pretrain.labels: tdist takes the last frames of clips labelled '{}' as the goal, and none "
        "is among the clips. Add '{}' "
        "to the labels, or set pretrain.goal_share=0",
        kGoalLabel, kGoalLabel);
  }
  goals_.emplace(clips, std::vector<std::string>{kGoalLabel});
}

PretrainBatch Tdist::Views(const ClipSet& clips, Rng& rng) const {
  const int64_t batch = options_.batch_size;
  const auto goal_count =
      static_cast<int64_t>(std::llround(options_.goal_share * static_cast<double>(batch)));
  std::vector<FrameIndex> a, b;
  std::vector<float> gaps;
  if (goal_count > 0) {
    // With a single demonstration its own last frame is the goal.
    const double cross_share = options_.cross_clip_goals && goals_->clips().size() > 1 ? 1.0 : 0.0;
    for (const GoalPair& pair : goals_->GoalPairs(rng, goal_count, cross_share)) {
      a.push_back(pair.frame);
      b.push_back(pair.goal);
      gaps.push_back(static_cast<float>(pair.distance));
    }
  }
  if (goal_count < batch) {
    for (const FramePair& pair : sampler_->OrderedPairs(rng, batch - goal_count)) {
      a.push_back(pair.first);
      b.push_back(pair.second);
      gaps.push_back(static_cast<float>(pair.gap));
    }
  }
  a.insert(a.end(), b.begin(), b.end());
  TurnBack(a, options_, rng);
  return {{{"views", AugmentedViews(clips, a, options_.augment, net_->spec(), rng)},
           {"gap", torch::tensor(gaps)}}};
}

Pretrainer::StepResult Tdist::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const auto halves = Embed(batch.tensors.at("views")).chunk(2);
  const torch::Tensor& gap = batch.tensors.at("gap");
  const torch::Tensor loss = TemporalDistance(halves[0], halves[1], gap, options_.distance_scale);
  const torch::Tensor distance = (halves[0] - halves[1]).detach().norm(2, -1);
  const double error = (distance * options_.distance_scale - gap).abs().mean().item<double>();
  return {loss, {{"pretrain/steps_error", error}}};
}

}  // namespace v2r
