#include "learn/progress.h"

#include "core/error.h"

namespace v2r {

torch::Tensor ProgressLoss(const torch::Tensor& mu, const torch::Tensor& log_var,
                           const torch::Tensor& label, const torch::Tensor& steps) {
  V2R_CHECK(mu.dim() == 1 && mu.sizes() == log_var.sizes() && mu.sizes() == label.sizes() &&
                mu.sizes() == steps.sizes(),
            "mu [{}], log_var [{}], label [{}], steps [{}]", fmt::join(mu.sizes(), ", "),
            fmt::join(log_var.sizes(), ", "), fmt::join(label.sizes(), ", "),
            fmt::join(steps.sizes(), ", "));
  const auto deviation = (0.5 * log_var).exp();
  const auto ratio = (1 / (steps * deviation)).square();
  return 0.5 * (ratio + ((label - mu) / deviation).square() - 1 - ratio.log());
}

}  // namespace v2r
