// Temporal distance: the embedding's L2 distance is the number of steps between two frames.
#pragma once

#include <optional>
#include <string>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// L = smooth-L1(|phi(a) - phi(b)|, |dt| / distance_scale) over pairs of frames. A share goal_share
// of the pairs is (frame, last frame) of clips labelled "good": with cross_clip_goals (one fixed
// goal) the two come from different clips and dt is what the frame's own clip has left; without, it
// is the own clip's last frame. The remaining pairs are two frames of one clip of any label, so
// that random-policy clips teach the scene's distances without ever being goals. Own method
// (docs/pretraining/tdist.md); regressing frames-to-goal is the idea of HOLD-R (Alakuijala et al.
// 2023).
class Tdist : public Method {
 public:
  Tdist(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [2B,3S,H,W]: a then b; "gap" float [B] |dt| in steps.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return "l2"; }

 private:
  std::optional<FrameSampler> sampler_;  // all clips
  std::optional<FrameSampler> goals_;    // the clips whose last frame is a goal
};

}  // namespace v2r
