// Goal classifier: a head that tells a demonstration's last frames from all others.
#pragma once

#include <string>
#include <vector>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// XIRL's baseline (Zakka et al. 2021, section 4): binary cross entropy of the head "goal" on the
// embedding. Half of a batch are last goal_frames frames of clips labelled "good" (target 1), half
// other frames of any clip (target 0).
class GoalClassifier : public Method {
 public:
  GoalClassifier(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [B,3S,H,W]: goals, then others; "labels" float [B].
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metric pretrain/goal_acc: share told rightly at a probability of one half.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  // What the file said when the encoder is frozen, else "l2".
  std::string metric() const override;

 private:
  Head head_;
  std::vector<FrameIndex> goals_, others_;
};

}  // namespace v2r
