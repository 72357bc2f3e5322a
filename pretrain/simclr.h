// SimCLR: two augmented views of a frame (or of two frames a few steps apart) attract, all others
// of the batch repel.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "learn/moco.h"
#include "learn/projection_head.h"
#include "pretrain/heads.h"
#include "pretrain/method.h"

namespace v2r {

// NT-Xent over cosine similarities of a projection head's output (Chen et al. 2020, equation 1;
// google-research/simclr tf2/objective.py). The head (learn/projection_head.h) goes into
// the encoder file for fine-tuning; the embedding before it is the representation. temporal_window
// > 0 takes the second view from up to that many steps before or after. memory_size > 0 (SimCLR v2,
// section 2; its author on google-research/simclr#115): a row is compared with what a slowly moving
// copy of network and head gives for the batch, its positive among it, and with memory_size such
// rows of past steps.
class SimClr : public Method {
 public:
  SimClr(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [2B,3S,H,W]: first views, then the second views in the same order.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  void AfterStep(int64_t step, int64_t total_steps) override;  // the step's rows enter the memory
  std::string metric() const override { return "cosine"; }
  // The head as "projection" (pretrain/heads.h): fine-tuning may start in its middle.
  std::map<std::string, Head> heads() override { return {{"projection", ToHead(*projection_)}}; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 private:
  ProjectionHead projection_;
  // Null without a memory.
  EncoderNet memory_net_;
  ProjectionHead memory_projection_;
  KeyQueue memory_{nullptr};
  std::vector<torch::Tensor> rows_;  // of this step
};

}  // namespace v2r
