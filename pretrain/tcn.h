// Time-contrastive networks: frames near in time attract, frames far in time repel.
#pragma once

#include <optional>
#include <string>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// tcn_loss=triplet: hinge max(0, |a-p|^2 - |a-n|^2 + margin) with a positive within positive_window
// steps and a negative farther than negative_window in the same clip (Sermanet et al. 2018, single
// view). Embeddings are not length-normalised: the data-dependent start sets their scale.
// tcn_loss=xirl: cross-entropy over frames of a clip, logits -|p-a|^2/temperature (XIRL,
// google-research xirl/xirl/trainers/tcn.py, TCNCrossEntropyTrainer).
class Tcn : public Method {
 public:
  Tcn(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views": triplet float [3B,3S,H,W] anchors, positives, negatives; xirl [2B,3S,H,W] in groups of
  // 2G rows, G positives and then their G anchors, all of one clip.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return "l2"; }

 private:
  std::optional<FrameSampler> sampler_;
  int64_t group_ = 0;  // xirl: G
};

}  // namespace v2r
