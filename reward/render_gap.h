// How much a film and a freshly rendered picture of the same state differ to an encoder.
#pragma once

#include <torch/torch.h>

#include "reward/distance.h"

namespace v2r {

// film, rendered, next_film: [P,D] embeddings of P states as the demonstrations show them, of the
// same states as the reward will see them, and of the film's frames one step later. Returns mean
// d(film, rendered) / mean d(film, next_film): well below 1 the encoder cannot tell a film from a
// rendering by more than it tells one step from the next. UserError when the film stands still.
double RenderGap(const DistanceFn& distance, const torch::Tensor& film,
                 const torch::Tensor& rendered, const torch::Tensor& next_film);

}  // namespace v2r
