// Heads made of other heads: what fine-tuning takes over.
#pragma once

#include <cstdint>

#include "learn/projection_head.h"
#include "models/encoder.h"

namespace v2r {

// SimCLR's projection head as a head of an encoder file: hidden layers as they are, the last linear
// layer with its BatchNorm (which only scales) folded as in eval mode. Shares no memory.
Head ToHead(const ProjectionHeadImpl& projection);

// The first `layers` hidden layers of `from`, then a fresh linear layer to `out_dim` from `rng`:
// SimCLR v2's fine-tuning from a middle layer (google-research/simclr tf2/model.py
// ft_proj_selector). `from` has that many.
Head StartOfHead(const HeadImpl& from, int64_t layers, int64_t out_dim, Rng& rng);

// Weights of the last linear layer ~ N(0, std), biases 0.
void InitLastLayer(HeadImpl& head, double std, Rng& rng);

}  // namespace v2r
