#include "pretrain/r3m.h"

#include <utility>
#include <vector>

#include "learn/vip.h"
#include "pretrain/sequences.h"

namespace v2r {

R3m::R3m(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  RefuseFrozenEncoder();
}

void R3m::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips, 3, "r3m");
}

PretrainBatch R3m::Views(const ClipSet& clips, Rng& rng) const {
  std::vector<FrameIndex> frames;
  for (const auto& drawn : sampler_->Ordered(rng, options_.batch_size, options_.r3m.alpha)) {
    if (options_.r3m.alpha > 0) frames.insert(frames.end(), {drawn.start, drawn.end});
    frames.insert(frames.end(), {drawn.s0, drawn.s1, drawn.s2});
  }
  const int64_t negatives = options_.r3m.num_negatives, batch = options_.batch_size;
  const auto of0 = Permutations(rng, negatives, batch), of2 = Permutations(rng, negatives, batch);
  TurnBack(frames, options_, rng);
  return {{{"views", SampleViews(clips, frames, this->frames(), options_, net_->spec(), rng)},
           {"permutations0", of0},
           {"permutations2", of2}}};
}

Pretrainer::StepResult R3m::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = Embed(batch.tensors.at("views"));
  const auto sample = z.view({-1, frames(), z.size(1)}).unbind(1);
  const size_t first = sample.size() - 3;
  const auto &s0 = sample[first], &s1 = sample[first + 1], &s2 = sample[first + 2];
  const R3mOptions& r3m = options_.r3m;
  const torch::Tensor tcn = R3mTcn(s0, s1, s2, batch.tensors.at("permutations0"),
                                   batch.tensors.at("permutations2"), r3m.similarity);
  const torch::Tensor loss =
      r3m.tcnweight * tcn + r3m.l2weight * MeanNorm(z, 2) + r3m.l1weight * MeanNorm(z, 1);
  const torch::NoGradGuard no_grad;
  const auto ends = Similarity(s2, s0, r3m.similarity);
  const auto aligned = Similarity(s2, s1, r3m.similarity)
                           .gt(ends)
                           .logical_and(Similarity(s1, s0, r3m.similarity).gt(ends));
  return {loss, {{"pretrain/ordered", aligned.to(torch::kFloat).mean().item<double>()}}};
}

}  // namespace v2r
