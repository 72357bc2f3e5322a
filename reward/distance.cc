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

std::string MetricName(const std::string& name, const Encoder& encoder) {
  return name == "encoder" ? encoder.spec().metric : name;
}

torch::Tensor PairwiseDistance(const std::string& metric, const torch::Tensor& a,
                               const torch::Tensor& b) {
  constexpr int64_t kNoMatmul = 2;  // |a|^2 + |b|^2 - 2ab would lose small distances
  if (metric == "l2") return torch::cdist(a.to(torch::kFloat), b.to(torch::kFloat), 2, kNoMatmul);
  V2R_CHECK(metric == "cosine", "metric '{}'", metric);
  const auto unit = [](const torch::Tensor& x) {
    const auto norm = torch::linalg_vector_norm(x.to(torch::kDouble), 2, {-1}, /*keepdim=*/true);
    return x / norm.clamp_min(1e-12);
  };
  return (1 - torch::mm(unit(a), unit(b).t())).to(torch::kFloat);
}

}  // namespace v2r
