// Progress as a distribution: Video2Reward, PROGRESSOR (Ayalew et al. 2024).
#pragma once

#include <torch/torch.h>

namespace v2r {

// KL(N(label, 1 / steps) || N(mu, exp(log_var / 2))) a row: mu, log_var float [N] and label [N] are
// a position between start and goal, steps [N] their distance in frames (the longer, the surer).
// Result [N] in the wider of their types. tedywond/rank2reward video2reward/main.py, which sums
// over the batch.
torch::Tensor ProgressLoss(const torch::Tensor& mu, const torch::Tensor& log_var,
                           const torch::Tensor& label, const torch::Tensor& steps);

}  // namespace v2r
