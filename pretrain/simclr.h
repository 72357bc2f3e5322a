// SimCLR: two augmented views of a frame (or of two frames a few steps apart) attract, all others
// of the batch repel.
#pragma once

#include <map>
#include <string>

#include "learn/projection_head.h"
#include "pretrain/heads.h"
#include "pretrain/method.h"

namespace v2r {

// NT-Xent over cosine similarities of a projection head's output (Chen et al. 2020, equation 1;
// google-research/simclr tf2/objective.py). The head (learn/projection_head.h) goes into
// the encoder file for fine-tuning; the embedding before it is the representation. temporal_window
// > 0 takes the second view from up to that many steps before or after.
class SimClr : public Method {
 public:
  SimClr(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [2B,3S,H,W]: first views, then the second views in the same order.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return "cosine"; }
  // The head as "projection" (pretrain/heads.h): fine-tuning may start in its middle.
  std::map<std::string, Head> heads() override { return {{"projection", ToHead(*projection_)}}; }

 private:
  ProjectionHead projection_;
};

}  // namespace v2r
