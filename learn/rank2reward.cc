#include "learn/rank2reward.h"

#include "core/error.h"

namespace v2r {

torch::Tensor Rank2RewardRanking(const torch::Tensor& logits_t, const torch::Tensor& logits_other,
                                 const torch::Tensor& t, const torch::Tensor& t_other) {
  const auto logits = torch::cat({logits_t, logits_other}, 1);  // [B,2]
  V2R_CHECK(logits.dim() == 2 && logits.size(1) == 2 && t.sizes() == t_other.sizes() &&
                t.dim() == 1 && t.size(0) == logits.size(0),
            "shapes of Rank2RewardRanking");
  const auto other_is_later = t.lt(t_other).to(logits.device(), torch::kLong);
  return torch::binary_cross_entropy_with_logits(
      logits, torch::one_hot(other_is_later, 2).to(logits.scalar_type()));
}

torch::Tensor ClassifierLoss(const torch::Tensor& logits, const torch::Tensor& labels) {
  return torch::binary_cross_entropy_with_logits(logits, labels.to(logits.scalar_type()));
}

torch::Tensor Mixup(const torch::Tensor& x, const torch::Tensor& permutation, double lambda) {
  return lambda * x + (1 - lambda) * x.index_select(0, permutation);
}

torch::Tensor MixupClassifierLoss(const torch::Tensor& logits, const torch::Tensor& labels,
                                  const torch::Tensor& permutation, double lambda) {
  return lambda * ClassifierLoss(logits, labels) +
         (1 - lambda) * ClassifierLoss(logits, labels.index_select(0, permutation));
}

torch::Tensor Rank2RewardForm(const std::string& form, const torch::Tensor& ranking_logits,
                              const torch::Tensor& classifier_logits, double classifier_weight) {
  constexpr double kFloor = 1e-6;
  const auto log = [](const torch::Tensor& x) { return x.clamp_min(kFloor).log(); };
  const auto progress = torch::sigmoid(ranking_logits);
  const auto mask = torch::sigmoid(classifier_logits);
  if (form == "rank_only") return progress;
  if (form == "cls_only") return mask;
  if (form == "product") return progress * mask;
  if (form == "log") return log(progress) + classifier_weight * log(mask);
  if (form == "log_dratio") return log(progress) + classifier_weight * (log(mask) - log(1 - mask));
  if (form == "airl") return log(mask) - log(1 - mask);
  ThrowUser(
      "unknown Rank2Reward form '{}' (known: rank_only, cls_only, product, log, log_dratio, airl)",
      form);
}

}  // namespace v2r
