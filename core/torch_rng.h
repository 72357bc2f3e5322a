// torch generators seeded from ours.
#pragma once

#include <torch/torch.h>

#include "core/rng.h"

namespace v2r {

// A CPU generator for torch::randn(..., generator) and the like, seeded with one draw of `rng`.
torch::Generator MakeGenerator(Rng& rng);
// Float tensors drawn from our own stream: reproducible for any number of torch threads.
torch::Tensor RandomNormal(Rng& rng, at::IntArrayRef shape);
torch::Tensor RandomUniform(Rng& rng, at::IntArrayRef shape);
torch::Tensor RandomPermutation(Rng& rng, int64_t n);  // int64 [n]

}  // namespace v2r
