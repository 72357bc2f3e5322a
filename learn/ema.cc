#include "learn/ema.h"

#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {

void EmaUpdate(torch::nn::Module& target, const torch::nn::Module& source, double momentum) {
  const torch::NoGradGuard no_grad;
  const auto from = source.named_parameters();
  const auto into = target.named_parameters();
  V2R_CHECK_EQ(from.size(), into.size());
  for (const auto& item : into) {
    const auto* parameter = from.find(item.key());
    V2R_CHECK(parameter != nullptr, "the source has no parameter {}", item.key());
    item.value().mul_(momentum).add_(*parameter, 1 - momentum);
  }
}

void CopyState(torch::nn::Module& target, const torch::nn::Module& source) {
  LoadModuleState(target, ModuleState(source), "copy of a network");
}

void Freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.requires_grad_(false);
}

}  // namespace v2r
