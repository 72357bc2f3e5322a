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

}  // namespace v2r
