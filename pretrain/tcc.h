// TCC: a frame's soft nearest neighbour in another film leads back to the frame.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "learn/tcc.h"
#include "media/sequence_sampler.h"
#include "pretrain/method.h"

namespace v2r {

// Temporal cycle consistency as in XIRL (learn/tcc.h; google-research/google-research
// xirl/xirl/losses.py, models.py): a sample is clip_frames different frames of one clip in order.
// tcc.normalize_embeddings scales them to length 1, tcc.learnable_temp multiplies them by a learned
// number; neither is part of the encoder file, whose metric is cosine where the length means
// nothing.
class Tcc : public Method {
 public:
  Tcc(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [BT,3S,H,W] sample after sample, "times" int64 [B,T], "lengths" int64 [B]; with
  // stochastic_matching "cycles" int64 [N,cycle_length+1] of samples, "query" int64 [N] of frames.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metric pretrain/cycle_consistency: how many frames come back to themselves, by the nearest
  // neighbours between each clip and the next.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override;

 private:
  TccSpec spec_;
  torch::Tensor logit_scale_;  // learnable_temp
  std::optional<SequenceSampler> sampler_;
};

}  // namespace v2r
