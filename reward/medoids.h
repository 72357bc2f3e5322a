// A few rows that stand for many.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace v2r {

// Rows of a symmetric distance matrix d [G,G] whose summed distance from every row to its nearest
// of them is small: k-medoids by PAM (Kaufman and Rousseeuw 1990), greedy start, then the best swap
// while one helps. min(k, G) rows, rising; the first one on ties, so equal matrices give equal
// rows.
std::vector<int64_t> Medoids(const torch::Tensor& d, int64_t k);

}  // namespace v2r
