#include "learn/lars.h"

#include "core/error.h"

namespace v2r {
namespace {

// trust * |w| / |update| where both are positive, else 1: a 0-D tensor, so nothing waits for the
// device.
torch::Tensor TrustRatio(const torch::Tensor& weight, const torch::Tensor& update, double trust) {
  const auto w = weight.norm(), u = update.norm();
  const auto both = torch::logical_and(w > 0, u > 0);
  return torch::where(both, trust * w / u, torch::ones_like(w));
}

bool Adapts(const LarsOptions& options, const torch::Tensor& parameter) {
  switch (options.variant) {
    case LarsVariant::kMocoV3:
      return parameter.dim() > 1;
    case LarsVariant::kDino:
    case LarsVariant::kSoloLearn:
      return parameter.dim() != 1;
    case LarsVariant::kSimclr:
      return !options.exclude;
  }
  return false;
}

// The gradient with weight decay, scaled; as it is where weight or gradient is nil.
torch::Tensor SoloLearnScaled(const LarsOptions& options, const torch::Tensor& weight,
                              const torch::Tensor& gradient) {
  constexpr double kEps = 1e-8;
  const double decay = options.weight_decay();
  const auto w = weight.norm(), g = gradient.norm();
  const auto ratio =
      (options.trust_coefficient * w / (g + decay * w + kEps) / options.lr()).clamp_max(1);
  return torch::where(torch::logical_and(w > 0, g > 0), gradient.add(weight, decay) * ratio,
                      gradient);
}

// facebookresearch/moco-v3 optimizer.py and dino utils.py: mu <- m mu + q (g + wd w); w <- w - lr
// mu.
void TorchStep(const LarsOptions& options, torch::Tensor& weight, torch::Tensor gradient,
               torch::Tensor& momentum) {
  if (Adapts(options, weight) && options.variant == LarsVariant::kSoloLearn) {
    gradient = SoloLearnScaled(options, weight, gradient);
  } else if (Adapts(options, weight)) {
    gradient = gradient.add(weight, options.weight_decay());
    gradient = gradient * TrustRatio(weight, gradient, options.trust_coefficient);
  }
  momentum.mul_(options.momentum()).add_(gradient);
  weight.add_(momentum, -options.lr());
}

// google-research/simclr tf2/lars_optimizer.py: classic: v <- m v + lr q g, w <- w - v; popular: v
// <- m v + g, w <- w - lr q v.
void SimclrStep(const LarsOptions& options, torch::Tensor& weight, torch::Tensor gradient,
                torch::Tensor& momentum) {
  const bool adapts = Adapts(options, weight);
  if (adapts) gradient = gradient.add(weight, options.weight_decay());
  const auto ratio = [&](const torch::Tensor& update) {
    return adapts ? TrustRatio(weight, update, options.trust_coefficient)
                  : torch::ones({}, weight.options());
  };
  if (options.classic_momentum) {
    const auto scaled = gradient * (options.lr() * ratio(gradient));
    momentum.mul_(options.momentum()).add_(scaled);
    weight.sub_(options.nesterov() ? momentum * options.momentum() + scaled : momentum);
  } else {
    momentum.mul_(options.momentum()).add_(gradient);
    const auto update = options.nesterov() ? momentum * options.momentum() + gradient : momentum;
    weight.sub_(update * (options.lr() * ratio(update)));
  }
}

}  // namespace

LarsOptions::LarsOptions(double lr) : torch::optim::SGDOptions(lr) { momentum(0.9); }

std::unique_ptr<torch::optim::OptimizerOptions> LarsOptions::clone() const {
  return std::make_unique<LarsOptions>(*this);
}

Lars::Lars(const std::vector<torch::optim::OptimizerParamGroup>& groups,
           const LarsOptions& defaults)
    : torch::optim::Optimizer(groups, std::make_unique<LarsOptions>(defaults)) {}

Lars::Lars(std::vector<torch::Tensor> parameters, const LarsOptions& defaults)
    : Lars({torch::optim::OptimizerParamGroup(std::move(parameters))}, defaults) {}

torch::Tensor Lars::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure != nullptr) {
    const at::AutoGradMode with_grad(true);
    loss = closure();
  }
  const torch::NoGradGuard no_grad;
  for (auto& group : param_groups_) {
    const auto& options = dynamic_cast<const LarsOptions&>(group.options());
    for (auto& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      auto& slot = state_[parameter.unsafeGetTensorImpl()];
      if (!slot) {
        auto fresh = std::make_unique<torch::optim::SGDParamState>();
        fresh->momentum_buffer(torch::zeros_like(parameter));
        slot = std::move(fresh);
      }
      auto& momentum = static_cast<torch::optim::SGDParamState&>(*slot).momentum_buffer();
      if (options.variant == LarsVariant::kSimclr) {
        SimclrStep(options, parameter, parameter.grad(), momentum);
      } else {
        TorchStep(options, parameter, parameter.grad(), momentum);
      }
    }
  }
  return loss;
}

std::vector<torch::optim::OptimizerParamGroup> LarsGroups(
    const std::vector<std::pair<std::string, torch::Tensor>>& named_parameters,
    const std::vector<std::string>& excluded, const LarsOptions& options) {
  std::vector<torch::Tensor> adapting, others;
  for (const auto& [name, parameter] : named_parameters) {
    bool found = false;
    for (const auto& part : excluded) found = found || name.find(part) != std::string::npos;
    (found ? others : adapting).push_back(parameter);
  }
  std::vector<torch::optim::OptimizerParamGroup> groups;
  auto included = std::make_unique<LarsOptions>(options);
  auto left_out = std::make_unique<LarsOptions>(options);
  left_out->exclude = true;
  if (!adapting.empty()) groups.emplace_back(adapting, std::move(included));
  if (!others.empty()) groups.emplace_back(others, std::move(left_out));
  return groups;
}

}  // namespace v2r
