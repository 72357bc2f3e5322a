// Time-contrastive networks: frames near in time attract, frames far in time repel.
#pragma once

#include <optional>
#include <string>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// tcn_loss=triplet: hinge max(0, |a-p|^2 - |a-n|^2 + margin) with a positive within positive_window
// steps and a negative farther than negative_window in the same clip (Sermanet et al. 2018, single
// view). The data-dependent start sets the embeddings' scale; with embedding_length they have that
// length (kekeblom/tcn: 10), and the metric is cosine.
// tcn_loss=xirl: cross-entropy over frames of a clip, logits -|p-a|^2/temperature (XIRL,
// google-research xirl/xirl/trainers/tcn.py, TCNCrossEntropyTrainer).
// tcn_loss=xirl_hinge: its TCNTrainer on windows of clip_frames frames: num_pairs positives
// positive_window steps before or after each frame, as many negatives beyond negative_window.
// tcn_loss=npairs: dot products of the xirl form's frames (Sohn 2016; google-research tcc).
class Tcn : public Method {
 public:
  Tcn(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views": triplet float [3B,3S,H,W] anchors, positives, negatives; xirl [2B,3S,H,W] in groups of
  // 2G rows, G positives and then their G anchors, all of one clip; npairs likewise. xirl_hinge
  // [BT,3S,H,W] windows, "positives", "negatives" int64 [B,T,num_pairs] of frames in them.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return options_.embedding_length > 0 ? "cosine" : "l2"; }

 private:
  bool InGroups() const { return options_.tcn_loss == "xirl" || options_.tcn_loss == "npairs"; }
  void FindGroup(const ClipSet& clips);
  PretrainBatch Windows(const ClipSet& clips, Rng& rng) const;
  std::optional<FrameSampler> sampler_;
  int64_t group_ = 0;  // xirl, npairs: G
};

}  // namespace v2r
