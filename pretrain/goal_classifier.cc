#include "pretrain/goal_classifier.h"

#include <utility>

#include "core/error.h"
#include "learn/rank2reward.h"
#include "pretrain/pictures.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

constexpr char kGoalLabel[] = "good";

}  // namespace

GoalClassifier::GoalClassifier(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  for (const int64_t width : options_.rank_hidden) {
    if (width < 1) ThrowUser("pretrain.rank_hidden: layer widths must be >= 1, got {}", width);
  }
  head_ = AddHead(
      "goal", {.in_dim = net_->output_dim(), .hidden = options_.rank_hidden, .out_dim = 1}, rng);
}

void GoalClassifier::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    const Clip& clip = clips.clips[i];
    const int64_t length = clip.frames.size(0);
    for (int64_t t = 0; t < length; ++t) {
      const bool goal = clip.label == kGoalLabel && t >= length - options_.goal_frames;
      (goal ? goals_ : others_).push_back({static_cast<int64_t>(i), t});
    }
  }
  if (goals_.empty()) {
    ThrowUser(
        "pretrain.labels: goal_classifier takes the last frames of clips labelled '{}' as the "
        "goal, and none is among the clips. Add '{}' to the labels",
        kGoalLabel, kGoalLabel);
  }
  if (others_.empty()) {
    ThrowUser(
        "pretrain.goal_frames={}: no clip has another frame, so there is nothing to tell the goal "
        "from. Use fewer",
        options_.goal_frames);
  }
  if (options_.freeze_encoder) head_->SetStandardisation(Embed(demos));
}

PretrainBatch GoalClassifier::Views(const ClipSet& clips, Rng& rng) const {
  std::vector<FrameIndex> frames;
  std::vector<float> labels;
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const bool goal = i < options_.batch_size / 2;
    const auto& from = goal ? goals_ : others_;
    frames.push_back(from[rng.Below(from.size())]);
    labels.push_back(goal ? 1.0f : 0.0f);
  }
  TurnBack(frames, options_, rng);
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)},
           {"labels", torch::tensor(labels)}}};
}

Pretrainer::StepResult GoalClassifier::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = Embed(batch.tensors.at("views"));
  const torch::Tensor logits = Mixed([&] { return head_->forward(z); }).squeeze(-1);
  const torch::Tensor& labels = batch.tensors.at("labels");
  const auto right = logits.detach().gt(0).eq(labels.gt(0.5));
  return {ClassifierLoss(logits, labels),
          {{"pretrain/goal_acc", right.to(torch::kFloat).mean().item<double>()}}};
}

std::string GoalClassifier::metric() const {
  return options_.freeze_encoder ? net_->spec().metric : "l2";
}

}  // namespace v2r
