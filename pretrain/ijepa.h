// I-JEPA: from the patches of one block, a transformer predicts what a slow copy of it says of
// others.
#pragma once

#include <vector>

#include "learn/ijepa.h"
#include "models/vit.h"
#include "pretrain/ijepa_predictor.h"
#include "pretrain/method.h"

namespace v2r {

struct IjepaStep {
  torch::Tensor loss;        // scalar: smooth L1 (beta 1), mean over all
  torch::Tensor context;     // [M*B,K,D]: what the encoder makes of the context
  torch::Tensor prediction;  // [T*M*B,L,D]
  torch::Tensor target;      // the same shape, no gradient: normalised per token, no weights
};
// src/train.py's forward pass; pictures float [B,3S,H,W] as the encoders' forward takes them, both
// without cls token.
IjepaStep IjepaForward(VitImpl& encoder, VitImpl& target_encoder, IjepaPredictor predictor,
                       const torch::Tensor& pictures, const BlockMasks& masks);

// Assran et al. 2023, facebookresearch/ijepa. The target encoder is what is kept (as its authors
// evaluate). Its last layer `fc`, which I-JEPA does not train, is a fixed random projection of the
// pooled tokens: at the last iteration data_dependent_init rescales it to them.
class Ijepa : public Method {
 public:
  Ijepa(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [B,3S,H,W] in [0,1], "context" and "targets" int64 as BlockMasks has them.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  void AfterStep(int64_t step, int64_t total_steps) override;  // EMA
  EncoderNet encoder() override { return target_net_; }
  std::vector<torch::Tensor> Parameters() override;  // all but fc
  std::string metric() const override { return "l2"; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 private:
  BlockMaskSpec masks_;
  Vit vit_, target_net_;
  IjepaPredictor predictor_{nullptr};
  torch::Tensor demos_;  // normalised
};

}  // namespace v2r
