#include "pretrain/vip.h"

#include <array>
#include <utility>
#include <vector>

#include "learn/vip.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

constexpr int64_t kFrames = 4;  // of a sample

}  // namespace

Vip::Vip(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
}

void Vip::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) { sampler_.emplace(clips); }

PretrainBatch Vip::Views(const ClipSet& clips, Rng& rng) const {
  std::vector<FrameIndex> frames;
  for (const SubClip& sub : sampler_->SubClips(rng, options_.batch_size)) {
    std::array<FrameIndex, kFrames> sample = {sub.start, sub.goal, sub.now, sub.next};
    if (options_.rewind > 0 && rng.Bernoulli(options_.rewind)) {
      sample = {sub.goal, sub.start, sub.next, sub.now};
      for (FrameIndex& frame : sample) frame.backward = true;
    }
    frames.insert(frames.end(), sample.begin(), sample.end());
  }
  const auto permutations = Permutations(rng, options_.vip.num_negatives, options_.batch_size);
  return {{{"views", SampleViews(clips, frames, kFrames, options_, net_->spec(), rng)},
           {"permutations", permutations}}};
}

Pretrainer::StepResult Vip::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = Embed(batch.tensors.at("views"));
  const auto sample = z.view({-1, kFrames, z.size(1)}).unbind(1);
  const VipSpec spec{.gamma = options_.vip.gamma,
                     .similarity = options_.vip.similarity,
                     .rescale = options_.vip.rescale};
  torch::Tensor loss =
      VipLoss(sample[0], sample[2], sample[3], sample[1], batch.tensors.at("permutations"), spec);
  loss = loss + options_.vip.l2weight * MeanNorm(z, 2) + options_.vip.l1weight * MeanNorm(z, 1);
  const torch::NoGradGuard no_grad;
  const auto nearer = Similarity(sample[3], sample[1], spec.similarity)
                          .gt(Similarity(sample[2], sample[1], spec.similarity));
  return {loss, {{"pretrain/ordered", nearer.to(torch::kFloat).mean().item<double>()}}};
}

}  // namespace v2r
