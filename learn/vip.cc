#include "learn/vip.h"

#include <cmath>
#include <vector>

#include "core/error.h"

namespace v2r {
namespace {

constexpr double kEps = 1e-8;

// log(eps + mean exp x), x any shape.
torch::Tensor LogMeanExp(const torch::Tensor& x) {
  const auto flat = x.flatten();
  const auto log_mean = torch::logsumexp(flat, 0) - std::log(static_cast<double>(flat.numel()));
  return torch::logaddexp(log_mean, torch::full_like(log_mean, std::log(kEps)));
}

}  // namespace

torch::Tensor Similarity(const torch::Tensor& a, const torch::Tensor& b,
                         const std::string& similarity) {
  if (similarity == "l2") return -torch::linalg_vector_norm(a - b, 2, {-1});
  if (similarity == "cosine") {
    // Scaled first, as in LIV: its TD errors of 100 and more show how cosines are rounded.
    const auto unit = [](const torch::Tensor& x) {
      return x / torch::linalg_vector_norm(x, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
    };
    return torch::cosine_similarity(unit(a), unit(b), -1);
  }
  ThrowUser("unknown similarity '{}' (known: l2, cosine)", similarity);
}

torch::Tensor MeanNorm(const torch::Tensor& z, double p) {
  return torch::linalg_vector_norm(z, p, {-1}).mean();
}

torch::Tensor VipLoss(const torch::Tensor& first, const torch::Tensor& now,
                      const torch::Tensor& next, const torch::Tensor& goal,
                      const torch::Tensor& permutations, const VipSpec& spec) {
  V2R_CHECK(first.dim() == 2 && now.sizes() == first.sizes() && next.sizes() == first.sizes() &&
                goal.sizes() == first.sizes(),
            "first [{}], now [{}], next [{}], goal [{}]", fmt::join(first.sizes(), ", "),
            fmt::join(now.sizes(), ", "), fmt::join(next.sizes(), ", "),
            fmt::join(goal.sizes(), ", "));
  const auto value = [&](const torch::Tensor& o, const torch::Tensor& of) {
    const auto near = Similarity(o, of, spec.similarity);
    return spec.rescale ? near / (1 - spec.gamma) : near;
  };
  constexpr double kReward = -1;
  const auto surprise = [&](const torch::Tensor& from, const torch::Tensor& to,
                            const torch::Tensor& of) {
    const auto after = kReward + (spec.gamma * value(to, of)).to(torch::kDouble);
    return LogMeanExp(value(from, of) - after);
  };
  auto loss = (1 - spec.gamma) * -value(first, goal).mean() + surprise(now, next, goal);
  if (permutations.defined() && permutations.size(0) > 0) {
    const auto rows = permutations.flatten();
    loss = loss + surprise(now.index_select(0, rows), next.index_select(0, rows),
                           goal.repeat({permutations.size(0), 1}));
  }
  return loss;
}

torch::Tensor ClipLoss(const torch::Tensor& pictures, const torch::Tensor& texts) {
  const auto unit = [](const torch::Tensor& x) {
    return x / torch::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true);
  };
  const auto logits = torch::matmul(unit(pictures), unit(texts).t());
  const auto labels =
      torch::arange(logits.size(0), torch::TensorOptions(torch::kLong).device(logits.device()));
  return (torch::cross_entropy_loss(logits, labels) +
          torch::cross_entropy_loss(logits.t(), labels)) /
         2;
}

torch::Tensor R3mContrast(const torch::Tensor& positive, const torch::Tensor& negatives) {
  const auto exp_positive = positive.exp();
  const auto all = kEps + exp_positive + negatives.exp().sum(-1);
  return -(kEps + exp_positive / all).log();
}

torch::Tensor R3mTcn(const torch::Tensor& s0, const torch::Tensor& s1, const torch::Tensor& s2,
                     const torch::Tensor& permutations0, const torch::Tensor& permutations2,
                     const std::string& similarity) {
  const auto near = [&](const torch::Tensor& a, const torch::Tensor& b) {
    return Similarity(a, b, similarity);
  };
  const auto ends = near(s2, s0);
  const auto negatives = [&](const torch::Tensor& s, const torch::Tensor& permutations) {
    std::vector<torch::Tensor> columns = {ends};
    const int64_t count = permutations.defined() ? permutations.size(0) : 0;
    for (int64_t k = 0; k < count; ++k) {
      columns.push_back(near(s, s.index_select(0, permutations[k])));
    }
    return torch::stack(columns, -1);
  };
  const auto later = R3mContrast(near(s2, s1), negatives(s2, permutations2));
  const auto earlier = R3mContrast(near(s1, s0), negatives(s0, permutations0));
  return ((later + earlier) / 2).mean();
}

}  // namespace v2r
