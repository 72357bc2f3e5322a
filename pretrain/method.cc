#include "pretrain/method.h"

#include <utility>

#include "core/error.h"
#include "learn/ema.h"
#include "learn/schedules.h"
#include "models/init.h"

namespace v2r {

Method::Method(const PretrainOptions& options, EncoderNet net)
    : options_(options), net_(std::move(net)) {
  // oneDNN's own layout: forward and backward take two thirds of the time.
  const torch::NoGradGuard no_grad;
  for (auto& parameter : net_->parameters()) {
    if (parameter.dim() == 4)
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  if (options_.freeze_encoder) {
    net_->eval();
    for (auto& parameter : net_->parameters()) parameter.set_requires_grad(false);
  } else {
    net_->train();
  }
}

std::vector<torch::Tensor> Method::Parameters() {
  std::vector<torch::Tensor> parameters;
  if (!options_.freeze_encoder) parameters = net_->parameters();
  for (const auto& [name, module] : trained_) {
    for (auto& parameter : module->parameters()) parameters.push_back(parameter);
  }
  return parameters;
}

std::vector<torch::Tensor> Method::ParametersButLast() {
  std::vector<torch::Tensor> trained;
  const auto fc = net_->last_linear();
  for (auto& parameter : Method::Parameters()) {
    const bool of_fc = fc && (parameter.is_same(fc->weight) || parameter.is_same(fc->bias));
    if (!of_fc) trained.push_back(parameter);
  }
  return trained;
}

StateDict Method::SaveState() const {
  StateDict state;
  Merge(state, "net", ToStateDict(ModuleState(*net_)));
  for (const auto& [name, module] : trained_) {
    Merge(state, name, ToStateDict(ModuleState(*module)));
  }
  return state;
}

void Method::LoadState(const StateDict& state) {
  LoadModuleState(*net_, ToTensors(Under(state, "net")), "pretraining checkpoint, net");
  for (const auto& [name, module] : trained_) {
    LoadModuleState(*module, ToTensors(Under(state, name)), "pretraining checkpoint, " + name);
  }
}

Head Method::AddHead(const std::string& name, const HeadSpec& spec, Rng& rng) {
  auto head = std::make_shared<HeadImpl>(spec, rng);
  AddTrained("head_" + name, head);
  heads_[name] = head;
  return head;
}

void Method::AddTrained(const std::string& name, std::shared_ptr<torch::nn::Module> module) {
  module->to(device());
  trained_[name] = std::move(module);
}

torch::Tensor Method::Embed(const torch::Tensor& views) const {
  const torch::Tensor input = Normalise(net_->spec(), views);
  const auto forward = [&] { return net_->forward(input); };
  if (!options_.freeze_encoder) return Mixed(forward);
  const torch::NoGradGuard no_grad;
  return Mixed(forward);
}

int64_t Method::Part(int64_t step) {
  part_ = step == step_ ? part_ + 1 : 0;
  step_ = step;
  return part_;
}

void Method::RefuseFrozenEncoder() const {
  if (!options_.freeze_encoder) return;
  ThrowUser(
      "pretrain.freeze_encoder=true with method={}: nothing is left to train, because this method "
      "keeps no head. Use "
      "method=ranking, or freeze_encoder=false",
      options_.method);
}

EncoderNet MomentumNet(const EncoderNet& net) {
  EncoderNet copy = BlankEncoderNet(net->spec());
  copy->to(net->parameters().at(0).device());
  CopyState(*copy, *net);
  Freeze(*copy);
  copy->train();
  return copy;
}

double EmaMomentum(const PretrainOptions& options, int64_t step) {
  return Anneal(options.ema_schedule, options.ema_momentum, 1.0, step, options.iterations);
}

torch::Tensor Normalise(const EncoderSpec& spec, const torch::Tensor& pictures) {
  const int64_t stack = spec.frame_stack;
  const auto channels = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat)
        .repeat({stack})
        .view({1, 3 * stack, 1, 1})
        .to(pictures.device());
  };
  return ((pictures - channels(spec.mean)) / channels(spec.std))
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace v2r
