// MoCo v1 and v2: the query's own key among a queue of the keys of past batches.
#pragma once

#include <string>
#include <vector>

#include "learn/moco.h"
#include "pretrain/method.h"

namespace v2r {

// InfoNCE of a query against its key, the other view through a slowly moving copy of the network,
// and queue_size keys of past batches (He et al. 2020, equation 1; facebookresearch/moco
// moco/builder.py; symmetric and bn_splits as in its CIFAR-10 notebook). moco_head=linear is v1's
// last layer, mlp v2's; both are dropped afterwards. The encoder file holds the query network.
class Moco : public Method {
 public:
  Moco(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [2B,3S,H,W]: queries' views, then keys' views in the same order.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  void AfterStep(int64_t step, int64_t total_steps) override;  // the step's keys enter the queue
  std::string metric() const override { return "cosine"; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::nn::Sequential head_, key_head_;
  EncoderNet key_net_;
  KeyQueue queue_{nullptr};
  std::vector<torch::Tensor> keys_;  // of this step
};

// MoCo v3 (Chen, Xie and He 2021; facebookresearch/moco-v3 moco/builder.py): no queue, both views
// are queries, the negatives are the other samples' keys of the batch; a predictor behind the
// projector, on the queries' side alone.
class MocoV3 : public Method {
 public:
  MocoV3(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;  // as Moco's
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return "cosine"; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 private:
  torch::nn::Sequential projector_, predictor_, key_projector_;
  EncoderNet key_net_;
};

}  // namespace v2r
