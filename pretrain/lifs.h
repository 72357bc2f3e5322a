// LIFS: frames at equal shares of films are embedded alike, and the embedding still tells what is
// in the picture.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "media/sequence_sampler.h"
#include "pretrain/method.h"

namespace v2r {

// Invariant feature spaces (Gupta et al. 2017) as XIRL has them (google-research/google-research
// xirl/xirl/trainers/lifs.py): learn/losses.h Lifs over frames of equal index in clips of
// clip_frames frames, plus recon_weight times the mean squared error of a decoder's pictures. Here
// the decoder sees the embedding alone; XIRL's has the encoder's inner maps too, so that its
// embedding may collapse all the same.
class InvariantFeatures : public Method {
 public:
  InvariantFeatures(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [BT,3S,H,W], sample after sample.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metrics pretrain/alignment and pretrain/reconstruction: the two terms.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return "l2"; }

 private:
  torch::nn::Sequential decoder_{nullptr};  // [B,D] -> [B,3S,32,32]
  std::optional<SequenceSampler> sampler_;
};

}  // namespace v2r
