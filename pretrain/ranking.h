// Ranking: a head that says which of two frames of one demonstration comes later (a utility that
// grows along the demonstration).
#pragma once

#include <optional>
#include <string>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// L = mean softplus(-(u(late) - u(early))) + rank_regulariser * mean u^2, u = MLP head on the
// embedding, pairs of distinct frames of one clip. Bradley-Terry on the difference, the form of
// Rank2Reward's paper (Yang et al. 2024, section IV-A); the released code has independent
// cross-entropies on each frame instead. With freeze_encoder the head sees standardised frozen
// features: on a random encoder that is the control every pretraining result has to be read
// against.
class Ranking : public Method {
 public:
  Ranking(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [2B,3S,H,W]: B earlier frames, then the B later ones.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  // What the file said when the encoder is frozen, else "l2".
  std::string metric() const override;

 private:
  Head rank_;
  std::optional<FrameSampler> sampler_;
};

}  // namespace v2r
