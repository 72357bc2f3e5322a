// VIP: the embedding's distance to a goal is its value, learned from films alone.
#pragma once

#include <optional>
#include <string>

#include "media/samplers.h"
#include "pretrain/method.h"

namespace v2r {

// Loss (learn/vip.h, VIP section 4.1; facebookresearch/vip vip/trainer.py) of a stretch's first
// frame, its last (the goal), and two neighbours in between, plus the mean norms of all embeddings
// by vip.l2weight and vip.l1weight. vip.similarity=cosine, vip.rescale, vip.num_negatives=3 and no
// norms: the visual term of LIV (penn-pal-lab/LIV liv/trainer.py).
class Vip : public Method {
 public:
  Vip(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [4B,3S,H,W], a sample's first, goal, now, next in a row; "permutations" int64
  // [num_negatives,B].
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metric pretrain/ordered: how many of the later neighbours are nearer to the goal.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return options_.vip.similarity; }

 private:
  std::optional<FrameSampler> sampler_;
};

}  // namespace v2r
