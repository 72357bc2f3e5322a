// How well embeddings of videos of one task line up in time (XIRL's evaluators: kendalls_tau.py,
// cycle_consistency.py). Videos are embeddings [T_i,D] of any float type; computed in double.
// Distances: "sqeuclidean" or "cosine".
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

namespace v2r {

// Index in b of the nearest neighbour of each row of a, first one on ties: int64 [T_a].
torch::Tensor NearestNeighbours(const torch::Tensor& a, const torch::Tensor& b,
                                const std::string& distance);

// Kendall's tau-b of the nearest-neighbour indices against time, mean over all ordered pairs of
// videos taken at every `stride`-th frame. Pairs whose indices are constant do not count; 0 when no
// pair counts.
double AlignmentTau(const std::vector<torch::Tensor>& videos, int64_t stride,
                    const std::string& distance);

// Share of frames that return to within `tolerance` strided frames of themselves over a -> b -> a,
// over all ordered pairs. `as_released` compares strided indices with original frame numbers, as
// XIRL's code does: lower for strides above 1.
double TwoWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride,
                              const std::string& distance, int64_t tolerance = 1,
                              bool as_released = false);
// The same over a -> b -> c -> a and a -> c -> b -> a, both of which must return, for all ordered
// triples of different videos.
double ThreeWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride,
                                const std::string& distance, int64_t tolerance = 1,
                                bool as_released = false);

}  // namespace v2r
