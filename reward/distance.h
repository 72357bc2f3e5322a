// The distance between embeddings that goals and reports use.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>

#include "models/encoder.h"

namespace v2r {

// a, b [..., D] (broadcast over the leading dimensions) -> [...], float32.
using DistanceFn = std::function<torch::Tensor(const torch::Tensor& a, const torch::Tensor& b)>;

// metric "l2": ||a-b||; "cosine": 1 - cos(a,b), 1 where one of them is zero. Any other name is a
// bug.
torch::Tensor EmbeddingDistance(const std::string& metric, const torch::Tensor& a,
                                const torch::Tensor& b);

// `name`: "encoder" for the metric that `encoder` was trained for, or a metric by name. Keeps
// `encoder` alive.
DistanceFn MakeDistance(const std::string& name, std::shared_ptr<const Encoder> encoder);

// The metric that `name` means for `encoder`: its own, or the one named.
std::string MetricName(const std::string& name, const Encoder& encoder);

// Distances of all pairs: a [P,D], b [M,D] -> [P,M], float32. A row's numbers do not depend on the
// other rows.
torch::Tensor PairwiseDistance(const std::string& metric, const torch::Tensor& a,
                               const torch::Tensor& b);

}  // namespace v2r
