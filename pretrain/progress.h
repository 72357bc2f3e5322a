// Progress: a head on the embeddings of a start, a present and a goal frame that says how far
// between them the present one is.
#pragma once

#include <optional>
#include <string>

#include "media/sequence_sampler.h"
#include "pretrain/method.h"

namespace v2r {

// Video2Reward (tedywond/rank2reward video2reward/main.py), PROGRESSOR (Ayalew et al. 2024): mean
// of learn/progress.h ProgressLoss over stretches (start, now, goal) of one clip, label (now -
// start) / (goal - start), deviation 1 / (goal - start) (with progress.normalize=false: now -
// start, 1). The released code sums over the batch and stacks the three pictures at the network's
// input; here the encoder sees one picture, as everywhere, and the head "progress" takes the three
// embeddings one after the other (3D numbers) and gives the mean and the logarithm of the variance.
class Progress : public Method {
 public:
  Progress(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [3B,3S,H,W], a sample's start, now, goal in a row; "label", "steps" float [B].
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // Metric pretrain/progress_error: mean absolute error of the mean.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  // What the file said when the encoder is frozen, else "l2".
  std::string metric() const override;

 private:
  Head head_;
  std::optional<SequenceSampler> sampler_;
};

}  // namespace v2r
