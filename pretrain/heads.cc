#include "pretrain/heads.h"

#include <memory>
#include <string>

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

// Children of `layers` that a hidden layer takes.
int64_t ModulesOf(const HeadSpec& spec) { return spec.norm == "batch" ? 3 : 2; }

}  // namespace

Head ToHead(const ProjectionHeadImpl& projection) {
  const torch::NoGradGuard no_grad;
  const ProjectionHeadSpec& spec = projection.spec();
  HeadSpec wanted{.in_dim = spec.in_dim, .out_dim = spec.out_dim, .norm = "batch"};
  wanted.hidden.assign(static_cast<size_t>(spec.layers - 1), spec.hidden_dim);
  Rng unused(0);
  const auto head = std::make_shared<HeadImpl>(wanted, unused);
  const TensorDict from = ModuleState(projection);
  TensorDict to = ModuleState(*head);
  const int64_t modules = ModulesOf(wanted), last = spec.layers - 1;
  for (const auto& [name, tensor] : from) {
    for (int64_t i = 0; i < last; ++i) {
      const std::string layer = fmt::format("nl_{}.", i);
      if (!name.starts_with(layer)) continue;
      const std::string rest = name.substr(layer.size());
      const bool dense = rest.starts_with("dense.");
      const std::string leaf = rest.substr(rest.find('.') + 1);
      to.at(fmt::format("layers.{}.{}", modules * i + (dense ? 0 : 1), leaf)) = tensor;
    }
  }
  const auto of_last = [&](const std::string& name) {
    return from.at(fmt::format("nl_{}.{}", last, name));
  };
  constexpr double kEps = 1e-5;
  const auto scale = of_last("bn.weight") * torch::rsqrt(of_last("bn.running_var") + kEps);
  const std::string linear = fmt::format("layers.{}.", modules * last);
  to.at(linear + "weight") = of_last("dense.weight") * scale.unsqueeze(1);
  to.at(linear + "bias") = of_last("bn.bias") - of_last("bn.running_mean") * scale;
  head->to(from.begin()->second.device());
  LoadModuleState(*head, to, "projection head");
  return head;
}

Head StartOfHead(const HeadImpl& from, int64_t layers, int64_t out_dim, Rng& rng) {
  HeadSpec spec = from.spec();
  V2R_CHECK(layers >= 0 && layers <= static_cast<int64_t>(spec.hidden.size()), "{} of {} layers",
            layers, spec.hidden.size());
  spec.hidden.resize(static_cast<size_t>(layers));
  spec.out_dim = out_dim;
  const auto head = std::make_shared<HeadImpl>(spec, rng);
  const std::string last = fmt::format("layers.{}.", ModulesOf(spec) * layers);
  const TensorDict all = ModuleState(from);
  TensorDict state = ModuleState(*head);
  for (auto& [name, tensor] : state) {
    if (!name.starts_with(last)) tensor = all.at(name);
  }
  LoadModuleState(*head, state, "head");
  return head;
}

void InitLastLayer(HeadImpl& head, double std, Rng& rng) {
  const torch::NoGradGuard no_grad;
  const auto parameters = head.parameters();
  auto weight = parameters[parameters.size() - 2], bias = parameters.back();
  weight.copy_(RandomNormal(rng, weight.sizes()) * std);
  bias.zero_();
}

}  // namespace v2r
