// LARS (You et al. 2017) in the four forms that the self-supervised reference code uses; they are
// not the same optimiser.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

namespace v2r {

enum class LarsVariant {
  kMocoV3,  // facebookresearch/moco-v3 optimizer.py, MAE's util/lars.py: parameters with ndim > 1
            // adapt; popular momentum
  kDino,  // facebookresearch/dino utils.py: parameters with ndim != 1 adapt (0-D ones too); popular
          // momentum
  kSoloLearn,  // vturrisi/solo-learn solo/utils/lars.py with clip_lars_lr and
               // exclude_bias_n_norm_lars: ndim != 1 adapt, by trust |w| / (|g| + wd |w|) over the
               // step size, at most 1; popular momentum
  kSimclr,     // google-research/simclr tf2/lars_optimizer.py: exclusion by name; classic momentum
               // (learning rate in the buffer)
};

// Options of one parameter group. A state of SGD's kind, so SaveOptimizer() and LoadOptimizer()
// take it.
struct LarsOptions : public torch::optim::SGDOptions {
  explicit LarsOptions(double lr);
  LarsVariant variant = LarsVariant::kMocoV3;
  double trust_coefficient = 0.001;
  bool exclude = false;          // kSimclr: neither adaptation nor weight decay for this group
  bool classic_momentum = true;  // kSimclr: false = popular momentum
  std::unique_ptr<torch::optim::OptimizerOptions> clone() const override;
};

class Lars : public torch::optim::Optimizer {
 public:
  Lars(const std::vector<torch::optim::OptimizerParamGroup>& groups, const LarsOptions& defaults);
  Lars(std::vector<torch::Tensor> parameters, const LarsOptions& defaults);
  torch::Tensor step(LossClosure closure = nullptr) override;
};

// Two groups for kSimclr: parameters whose name contains none of `excluded`, and those that do
// (SimCLR: {"batch_normalization", "bias", "head_supervised"}; for torch names: {"bn", "bias"}).
std::vector<torch::optim::OptimizerParamGroup> LarsGroups(
    const std::vector<std::pair<std::string, torch::Tensor>>& named_parameters,
    const std::vector<std::string>& excluded, const LarsOptions& options);

}  // namespace v2r
