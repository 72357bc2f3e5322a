// Tells while an encoder trains how well its embedding tells classes apart: nearest neighbours and,
// on request, a linear classifier, on pictures kept apart.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>

#include "core/metrics.h"
#include "media/clips.h"
#include "models/encoder.h"

namespace v2r {

class ClassMonitor {
 public:
  // Of labelled pictures `queries` of them, at most a tenth, are drawn from `rng` and taken out of
  // `clips`, up to four times as many of the rest are their bank. Of clips without classes, whose
  // clips are the classes, frames of the middle fifth of each clip are the queries and others the
  // bank, and `clips` stays as it is. Nothing where that leaves no query or less than two classes.
  static std::optional<ClassMonitor> Take(ClipSet& clips, int64_t queries, const EncoderSpec& spec,
                                          const Rng& rng, const torch::Device& device);

  // pretrain/knn_acc: share of the queries that 20 neighbours (T .07) of the bank tell rightly.
  // With `linear` pretrain/linear_acc: the same of logistic regression fitted to the bank now. In
  // eval mode, no gradient through the net.
  Metrics Measure(EncoderNetImpl& net, bool linear) const;

  // The pictures kept apart: float [M,3S,H,W] as forward() takes them, on the device; int64 [M],
  // CPU.
  const torch::Tensor& queries() const { return queries_; }
  const torch::Tensor& query_targets() const { return query_targets_; }
  // False: the data name no classes, a target is a clip.
  bool labelled() const { return labelled_; }

 private:
  bool labelled_ = false;
  torch::Tensor bank_, queries_;                  // float as forward() takes them, on the device
  torch::Tensor bank_targets_, query_targets_;    // int64, CPU
  int64_t classes_ = 0;
};

// float [M,D] on the CPU of x [M,3S,H,W], in eval mode, no gradient, some at a time.
torch::Tensor EmbedInEvalMode(EncoderNetImpl& net, const torch::Tensor& x);
// Share of x [M,3S,H,W] for which `head` on that embedding names the class of targets int64 [M]
// (CPU), in percent; `head` keeps its mode.
double HeadAccuracy(EncoderNetImpl& net, HeadImpl& head, const torch::Tensor& x,
                    const torch::Tensor& targets);

}  // namespace v2r
