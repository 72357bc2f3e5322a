// R3M's vision part: frames nearer in time are nearer in the embedding, which is kept short.
#pragma once

#include <optional>
#include <string>

#include "media/sequence_sampler.h"
#include "pretrain/method.h"

namespace v2r {

// r3m.tcnweight times the time-contrastive term (learn/vip.h R3mTcn; facebookresearch/r3m
// r3m/trainer.py) of three frames in order of time, plus the mean norms of all embeddings by
// r3m.l2weight and r3m.l1weight. The released sample has two more frames, of the clip's start and
// end, that without the language term only the norms see; r3m.alpha=0 leaves them out.
class R3m : public Method {
 public:
  R3m(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [KB,3S,H,W], a sample's (start, end,) s0, s1, s2 in a row, K = 5 or 3;
  // "permutations0", "permutations2" int64 [num_negatives,B].
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metric pretrain/ordered: how many samples are embedded in order ("aligned" there).
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::string metric() const override { return options_.r3m.similarity; }

 private:
  int64_t frames() const { return options_.r3m.alpha > 0 ? 5 : 3; }  // of a sample
  std::optional<SequenceSampler> sampler_;
};

}  // namespace v2r
