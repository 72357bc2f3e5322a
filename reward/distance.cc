#include "reward/distance.h"

#include <utility>

#include "core/error.h"

namespace v2r {

torch::Tensor EmbeddingDistance(const std::string& metric, const torch::Tensor& a,
                                const torch::Tensor& b) {
  if (metric == "l2") return torch::linalg_vector_norm(a - b, 2, {-1});
  V2R_CHECK(metric == "cosine", "metric '{}'", metric);
  const auto norms = torch::linalg_vector_norm(a, 2, {-1}) * torch::linalg_vector_norm(b, 2, {-1});
  return 1 - (a * b).sum(-1) / norms.clamp_min(1e-12);
}

DistanceFn MakeDistance(const std::string& name, std::shared_ptr<const Encoder> encoder) {
  if (name == "encoder") {
    V2R_CHECK(encoder != nullptr);
    return [encoder = std::move(encoder)](const torch::Tensor& a, const torch::Tensor& b) {
      return encoder->Distance(a, b);
    };
  }
  return [name](const torch::Tensor& a, const torch::Tensor& b) {
    return EmbeddingDistance(name, a, b);
  };
}

}  // namespace v2r
