// Watches the embedding of fixed demonstration frames while it trains: size, spread, collapse.
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>

#include "core/metrics.h"
#include "core/safetensors.h"
#include "models/encoder.h"

namespace v2r {

class EmbeddingProbe {
 public:
  // pictures float [M,3S,H,W] as forward takes them, on the net's device; metric "l2" or "cosine".
  EmbeddingProbe(torch::Tensor pictures, std::string metric)
      : pictures_(std::move(pictures)), metric_(std::move(metric)) {}

  // pretrain/effective_dims: exp of the entropy of the covariance's eigenvalue shares
  // (learn/measures.h). pretrain/embedding_std: mean over dimensions of the deviation over the
  // frames; 1 after data-dependent initialisation. pretrain/embedding_spread: the same of the
  // unit-length embeddings times sqrt(D): 1 when spread out, 0 when all point one way.
  // pretrain/collapsed: 1 when dimensions or deviation say so, or, with the cosine metric, the
  // spread. The first such time a warning names the measure. In eval mode, no gradient.
  // UserError: an embedding is not finite.
  Metrics Measure(EncoderNetImpl& net);

  void Save(StateDict& state) const;
  void Load(const StateDict& state);

 private:
  torch::Tensor pictures_;
  std::string metric_;
  double first_std_ = -1;  // of the first measurement
  bool warned_ = false;
};

}  // namespace v2r
