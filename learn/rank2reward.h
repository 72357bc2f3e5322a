// Rank2Reward (Yang et al. 2024; dxyang/rank2reward reward_functions.py): progress ranking and an
// expert-versus-policy classifier.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// logits_t, logits_other [B,1] of two frames of one trajectory at times t, t_other [B]: binary
// cross entropy on both logits with target 1 for the later frame (a tie counts the first as later),
// mean over B x 2. Independent per logit, not Bradley-Terry.
torch::Tensor Rank2RewardRanking(const torch::Tensor& logits_t, const torch::Tensor& logits_other,
                                 const torch::Tensor& t, const torch::Tensor& t_other);

// Binary cross entropy of classifier logits against labels in [0,1] (1 = expert), mean.
torch::Tensor ClassifierLoss(const torch::Tensor& logits, const torch::Tensor& labels);

// mixup (Zhang et al. 2018): lambda * x + (1 - lambda) * x[permutation], x [B,...], permutation
// int64 [B].
torch::Tensor Mixup(const torch::Tensor& x, const torch::Tensor& permutation, double lambda);
// The loss that belongs to mixed inputs: lambda * loss(labels) + (1 - lambda) *
// loss(labels[permutation]).
torch::Tensor MixupClassifierLoss(const torch::Tensor& logits, const torch::Tensor& labels,
                                  const torch::Tensor& permutation, double lambda);

// Reward of ranking and classifier logits (same shape), p = sigmoid(ranking), m =
// sigmoid(classifier): "rank_only" p; "cls_only" m; "product" p m; "log" log p + weight log m;
// "log_dratio" log p + weight (log m - log(1 - m)); "airl" log m - log(1 - m). Logarithms see
// values of at least 1e-6. UserError: unknown form.
torch::Tensor Rank2RewardForm(const std::string& form, const torch::Tensor& ranking_logits,
                              const torch::Tensor& classifier_logits,
                              double classifier_weight = 1.0);

}  // namespace v2r
