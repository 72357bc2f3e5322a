#include "learn/losses.h"

#include <vector>

#include "core/error.h"

namespace v2r {
namespace {

// |x - y|^2 for all pairs of rows: x [...,N,D], y [...,M,D] -> [...,N,M], by differences (no
// cancellation near 0).
torch::Tensor PairwiseSquared(const torch::Tensor& x, const torch::Tensor& y) {
  return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1);
}

}  // namespace

torch::Tensor L2Normalize(const torch::Tensor& x) {
  return x * x.square().sum(-1, /*keepdim=*/true).clamp_min(1e-12).rsqrt();
}

torch::Tensor NtXentGathered(const torch::Tensor& z1, const torch::Tensor& z2,
                             const torch::Tensor& all1, const torch::Tensor& all2, int64_t offset,
                             double temperature, const std::string& scaling,
                             const torch::Tensor& memory) {
  V2R_CHECK(z1.dim() == 2 && z1.sizes() == z2.sizes() && all1.sizes() == all2.sizes() &&
                offset + z1.size(0) <= all1.size(0),
            "z1 [{}], z2 [{}], all1 [{}], all2 [{}], offset {}", fmt::join(z1.sizes(), ", "),
            fmt::join(z2.sizes(), ", "), fmt::join(all1.sizes(), ", "),
            fmt::join(all2.sizes(), ", "), offset);
  if (scaling != "mean" && scaling != "simclr") {
    ThrowUser("unknown NT-Xent scaling '{}' (known: mean, simclr)", scaling);
  }
  const int64_t rows = z1.size(0), all = all1.size(0);
  const auto labels =
      torch::arange(offset, offset + rows, torch::TensorOptions(torch::kLong).device(z1.device()));
  const auto own = torch::one_hot(labels, all).to(torch::kBool);
  const auto masked = [&](const torch::Tensor& a, const torch::Tensor& b) {
    return torch::matmul(a, b.t()).div(temperature).masked_fill(own, -1e9);
  };
  const auto logits_ab = torch::matmul(z1, all2.t()) / temperature;
  const auto logits_ba = torch::matmul(z2, all1.t()) / temperature;
  const auto loss = [&](const torch::Tensor& other_view, const torch::Tensor& z,
                        const torch::Tensor& same_view) {
    std::vector<torch::Tensor> logits = {other_view, masked(z, same_view)};
    if (memory.defined()) logits.push_back(torch::matmul(z, memory.detach().t()) / temperature);
    return torch::cross_entropy_loss(torch::cat(logits, 1), labels);
  };
  const auto loss_a = loss(logits_ab, z1, all1), loss_b = loss(logits_ba, z2, all2);
  const auto sum = loss_a + loss_b;
  return scaling == "simclr" ? sum : sum / 2;
}

torch::Tensor NtXent(const torch::Tensor& z1, const torch::Tensor& z2, double temperature,
                     const std::string& scaling, bool normalize) {
  const auto a = normalize ? L2Normalize(z1) : z1;
  const auto b = normalize ? L2Normalize(z2) : z2;
  return NtXentGathered(a, b, a, b, 0, temperature, scaling);
}

torch::Tensor DistillationLoss(const torch::Tensor& student, const torch::Tensor& teacher,
                               double tau) {
  const auto target = torch::softmax(teacher / tau, -1);
  return -(target * torch::log_softmax(student / tau, -1)).sum(-1).mean() * (tau * tau);
}

torch::Tensor TcnTriplet(const torch::Tensor& anchor, const torch::Tensor& positive,
                         const torch::Tensor& negative, double margin) {
  const auto near = (anchor - positive).square().sum(-1);
  const auto far = (anchor - negative).square().sum(-1);
  return torch::relu(near + margin - far).mean();
}

torch::Tensor XirlTcn(const torch::Tensor& embeddings, const torch::Tensor& positives,
                      const torch::Tensor& negatives, double temperature, double margin) {
  V2R_CHECK(embeddings.dim() == 3 && positives.dim() == 3 && negatives.dim() == 3,
            "shapes of XirlTcn");
  const int64_t batch = embeddings.size(0), length = embeddings.size(1);
  const auto distances = PairwiseSquared(embeddings, embeddings) / temperature;  // [B,T,T]
  const auto near = distances.gather(2, positives);
  const auto far = torch::relu(margin - distances.gather(2, negatives));
  return (near.sum() + far.square().sum()) / static_cast<double>(batch * length);
}

torch::Tensor XirlTcnCrossEntropy(const torch::Tensor& embeddings, double temperature) {
  V2R_CHECK(embeddings.dim() == 3 && embeddings.size(1) % 2 == 0,
            "embeddings must be [B,T,D] with even T");
  const int64_t half = embeddings.size(1) / 2;
  const auto logits =
      -PairwiseSquared(embeddings.slice(1, 0, half), embeddings.slice(1, half)) / temperature;
  const auto labels =
      torch::arange(half, torch::TensorOptions(torch::kLong).device(embeddings.device()));
  return torch::cross_entropy_loss(logits.flatten(0, 1), labels.repeat({embeddings.size(0)}));
}

torch::Tensor Lifs(const torch::Tensor& embeddings, double temperature) {
  V2R_CHECK(embeddings.dim() == 3 && embeddings.size(0) >= 2,
            "embeddings must be [B,T,D] with B >= 2");
  const int64_t batch = embeddings.size(0), length = embeddings.size(1);
  const auto by_time = embeddings.transpose(0, 1);                         // [T,B,D]
  const auto distances = PairwiseSquared(by_time, by_time) / temperature;  // [T,B,B]
  return distances.sum() / static_cast<double>(batch * length);
}

torch::Tensor NPairs(const torch::Tensor& anchor, const torch::Tensor& positive,
                     double reg_lambda) {
  const auto labels =
      torch::arange(anchor.size(0), torch::TensorOptions(torch::kLong).device(anchor.device()));
  const auto length = anchor.square().sum(1).mean() + positive.square().sum(1).mean();
  return torch::cross_entropy_loss(torch::matmul(anchor, positive.t()), labels) +
         0.25 * reg_lambda * length;
}

torch::Tensor TemporalDistance(const torch::Tensor& za, const torch::Tensor& zb,
                               const torch::Tensor& dt, double scale) {
  // The floor keeps the gradient of the norm finite where both embeddings are equal.
  const auto distance = (za - zb).square().sum(-1).clamp_min(1e-12).sqrt();
  const auto target = dt.to(distance.device(), distance.scalar_type()).abs() / scale;
  return torch::smooth_l1_loss(distance, target);
}

torch::Tensor RankingLoss(const torch::Tensor& u_early, const torch::Tensor& u_late,
                          double regulariser) {
  V2R_CHECK(u_early.sizes() == u_late.sizes(), "u_early [{}], u_late [{}]",
            fmt::join(u_early.sizes(), ", "), fmt::join(u_late.sizes(), ", "));
  auto loss = torch::softplus(u_early - u_late).mean();
  if (regulariser != 0) loss = loss + regulariser * torch::cat({u_early, u_late}).square().mean();
  return loss;
}

}  // namespace v2r
