// MAE: a vision transformer sees a share of a picture's patches, a light decoder predicts the rest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pretrain/masked_autoencoder.h"
#include "pretrain/method.h"

namespace v2r {

// He et al. 2022, facebookresearch/mae. The decoder goes into the encoder file as part mae_decoder,
// for `v2r embed --reconstruct`; an embedding has nothing of it. The encoder's last layer `fc`,
// which MAE does not train, is a fixed random projection of the pooled tokens: at the last
// iteration data_dependent_init rescales it to them.
class Mae : public Method {
 public:
  Mae(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [B,3S,H,W] in [0,1], "noise" float [B,N] in [0,1).
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  void AfterStep(int64_t step, int64_t total_steps) override;
  std::vector<torch::Tensor> Parameters() override;  // all but fc
  EncoderParts parts() override;
  std::string metric() const override { return "l2"; }

 private:
  int64_t patches_ = 0;
  MaePartSpec part_;
  MaeDecoder decoder_{nullptr};
  std::unique_ptr<MaskedAutoencoder> autoencoder_;
  torch::Tensor demos_;  // normalised
};

}  // namespace v2r
