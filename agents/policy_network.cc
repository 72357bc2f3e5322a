#include "agents/policy_network.h"

#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "agents/serial_torch.h"
#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {

torch::Tensor OrthogonalMatrix(int64_t rows, int64_t cols, double gain, Rng& rng) {
  const torch::NoGradGuard no_grad;
  const SerialTorchScope serial(true);
  const bool wide = rows < cols;
  torch::Tensor flat = RandomNormal(rng, {rows, cols});
  if (wide) flat = flat.t();
  const auto [q, r] = at::linalg_qr(flat.contiguous());
  torch::Tensor matrix = q * at::sign(r.diagonal());
  if (wide) matrix = matrix.t();
  return (matrix * gain).contiguous();
}

std::vector<PolicyNetwork::Slot> PolicyNetwork::Layout() const {
  std::vector<Slot> slots;
  // `last_gain` 0: hidden layers only.
  const auto add_network = [&](const std::string& name, int64_t in,
                               const std::vector<int64_t>& hidden, int64_t out_dim,
                               double last_gain) {
    const size_t layers = hidden.size() + (last_gain != 0 ? 1 : 0);
    for (size_t l = 0; l < layers; ++l) {
      const int64_t out = l == hidden.size() ? out_dim : hidden[l];
      const double gain = l == hidden.size() ? last_gain : std::sqrt(2.0);
      slots.push_back({fmt::format("{}.{}.weight", name, 2 * l), {out, in}, gain, 0, in});
      slots.push_back({fmt::format("{}.{}.bias", name, 2 * l), {out}, 0, 0, in});
      in = out;
    }
  };
  const int64_t actor_out = options_.act_dim * (options_.state_dependent_std ? 2 : 1);
  if (options_.shared_trunk) {
    const int64_t width = options_.hidden_sizes.back();
    add_network("trunk", options_.obs_dim, options_.hidden_sizes, 0, 0);
    add_network("actor_mean", width, {}, actor_out, 0.01);
    add_network("critic", width, {}, 1, 1.0);
  } else {
    add_network("actor_mean", options_.obs_dim, options_.hidden_sizes, actor_out, 0.01);
    add_network(
        "critic", options_.obs_dim,
        options_.value_hidden_sizes.empty() ? options_.hidden_sizes : options_.value_hidden_sizes,
        1, 1.0);
  }
  if (!options_.state_dependent_std)
    slots.push_back({"actor_logstd", {1, options_.act_dim}, 0, options_.log_std_init});
  return slots;
}

PolicyNetwork::PolicyNetwork(const PolicyNetworkOptions& options, Rng& rng,
                             const torch::Device& device)
    : options_(options), device_(device) {
  V2R_CHECK_GT(options_.obs_dim, 0);
  V2R_CHECK_GT(options_.act_dim, 0);
  const torch::NoGradGuard no_grad;
  const std::vector<Slot> slots = Layout();
  int64_t total = 0;
  for (const Slot& slot : slots) total += c10::multiply_integers(slot.shape);
  parameters_ = torch::zeros({total}, torch::TensorOptions(torch::kFloat32).device(device));
  gradients_ = torch::zeros_like(parameters_);
  int64_t offset = 0;
  for (const Slot& slot : slots) {
    const int64_t size = c10::multiply_integers(slot.shape);
    torch::Tensor view = parameters_.narrow(0, offset, size).view(slot.shape);
    named_parameters_[slot.name] = view;
    named_gradients_[slot.name] = gradients_.narrow(0, offset, size).view(slot.shape);
    offset += size;
    if (!options_.ortho_init && slot.inputs > 0) {
      const double bound = 1.0 / std::sqrt(static_cast<double>(slot.inputs));
      view.copy_(RandomUniform(rng, slot.shape) * (2.0 * bound) - bound);
    } else if (slot.gain != 0) {
      view.copy_(OrthogonalMatrix(slot.shape[0], slot.shape[1], slot.gain, rng));
    } else {
      view.fill_(slot.fill);
    }
  }
  if (options_.state_dependent_std) {
    const size_t layer = options_.shared_trunk ? 0 : 2 * options_.hidden_sizes.size();
    named_parameters_.at(fmt::format("actor_mean.{}.bias", layer))
        .narrow(0, options_.act_dim, options_.act_dim)
        .fill_(options_.log_std_init);
    log_std_ = log_std_grad_ = torch::empty({0});
  } else {
    log_std_ = named_parameters_.at("actor_logstd").view({-1});
    log_std_grad_ = named_gradients_.at("actor_logstd").view({-1});
  }
  const Activation activation = ParseActivation(options_.activation);
  mlps_.emplace_back(LayersOf("actor_mean"), activation);
  mlps_.emplace_back(LayersOf("critic"), activation);
  if (options_.shared_trunk) mlps_.emplace_back(LayersOf("trunk"), activation, true);
  MakeFused(activation);
}

std::vector<LinearView> PolicyNetwork::LayersOf(const std::string& name) const {
  std::vector<LinearView> layers;
  for (size_t l = 0;; l += 2) {
    const std::string weight = fmt::format("{}.{}.weight", name, l);
    const std::string bias = fmt::format("{}.{}.bias", name, l);
    if (!named_parameters_.contains(weight)) return layers;
    layers.push_back({named_parameters_.at(weight), named_parameters_.at(bias),
                      named_gradients_.at(weight), named_gradients_.at(bias)});
  }
}

void PolicyNetwork::MakeFused(Activation activation) {
  if (!options_.fused) {
    fused_obstacle_ = "agent.fused is false";
    return;
  }
  if (!device_.is_cpu()) {
    fused_obstacle_ = fmt::format("the networks live on {}", device_.str());
    return;
  }
  for (const auto* sizes : {&options_.hidden_sizes, &options_.value_hidden_sizes}) {
    for (const int64_t size : *sizes) {
      if (size <= kFusedWidth) continue;
      fused_obstacle_ = fmt::format("a layer has {} units, more than {}", size, kFusedWidth);
      return;
    }
  }
  const auto layers = [&](const std::string& name) {
    std::vector<FusedMlp::Layer> fused;
    for (const LinearView& view : LayersOf(name)) {
      fused.push_back({view.weight.size(1), view.weight.size(0), view.weight.data_ptr<float>(),
                       view.bias.data_ptr<float>(), view.weight_grad.data_ptr<float>(),
                       view.bias_grad.data_ptr<float>()});
    }
    return fused;
  };
  fused_ = std::make_unique<FusedPolicy>(
      FusedPolicy::Layers{layers("trunk"), layers("actor_mean"), layers("critic")}, activation,
      AvailableSimdKernels().front());
}

void PolicyNetwork::ParametersChanged() {
  if (fused_) fused_->Refresh();
}

PolicyNetwork::Buffers PolicyNetwork::MakeBuffers(int64_t rows) const {
  Buffers buffers{{}, mlps_[0].MakeBuffers(rows), mlps_[1].MakeBuffers(rows), {}, {}};
  if (!options_.shared_trunk) return buffers;
  buffers.trunk = mlps_[2].MakeBuffers(rows);
  buffers.grad_trunk = torch::empty_like(buffers.trunk.output());
  buffers.grad_trunk_of_critic = torch::empty_like(buffers.trunk.output());
  return buffers;
}

void PolicyNetwork::Forward(const torch::Tensor& x, Buffers& buffers) const {
  if (options_.shared_trunk) mlps_[2].Forward(x, buffers.trunk);
  const torch::Tensor& in = options_.shared_trunk ? buffers.trunk.output() : x;
  mlps_[0].Forward(in, buffers.actor);
  mlps_[1].Forward(in, buffers.critic);
}

void PolicyNetwork::Backward(const torch::Tensor& x, const torch::Tensor& grad_mean,
                             const torch::Tensor& grad_value, Buffers& buffers) const {
  if (!options_.shared_trunk) {
    mlps_[0].Backward(x, grad_mean, buffers.actor);
    mlps_[1].Backward(x, grad_value, buffers.critic);
    return;
  }
  const c10::InferenceMode inference;
  mlps_[0].Backward(buffers.trunk.output(), grad_mean, buffers.actor, &buffers.grad_trunk);
  mlps_[1].Backward(buffers.trunk.output(), grad_value, buffers.critic,
                    &buffers.grad_trunk_of_critic);
  buffers.grad_trunk.add_(buffers.grad_trunk_of_critic);
  mlps_[2].Backward(x, buffers.grad_trunk, buffers.trunk);
}

torch::Tensor PolicyNetwork::Value(const torch::Tensor& x) const {
  const c10::InferenceMode inference;
  if (fused_) {
    const torch::Tensor rows = x.contiguous();
    fused_->ForwardCritic(rows.data_ptr<float>(), obs_dim(), rows.size(0));
    torch::Tensor values = torch::empty({rows.size(0)});
    for (int64_t i = 0; i < rows.size(0); ++i)
      values.data_ptr<float>()[i] = fused_->value()[i * fused_->value_stride()];
    return values;
  }
  const SerialTorchScope serial(IsSmall(x.size(0)));
  Buffers buffers = MakeBuffers(x.size(0));
  Forward(x.to(device_), buffers);
  return buffers.value().view({-1}).to(torch::kCPU);
}

torch::Tensor PolicyNetwork::Actor(const torch::Tensor& x) const {
  const c10::InferenceMode inference;
  if (fused_) {
    const torch::Tensor rows = x.contiguous();
    fused_->Forward(rows.data_ptr<float>(), obs_dim(), rows.size(0));
    const int64_t width = options_.act_dim * (options_.state_dependent_std ? 2 : 1);
    torch::Tensor out = torch::empty({rows.size(0), width});
    for (int64_t i = 0; i < rows.size(0); ++i)
      std::copy_n(fused_->actor() + i * fused_->actor_stride(), width,
                  out.data_ptr<float>() + i * width);
    return out;
  }
  const SerialTorchScope serial(IsSmall(x.size(0)));
  Buffers buffers = MakeBuffers(x.size(0));
  Forward(x.to(device_), buffers);
  return buffers.mean().to(torch::kCPU).contiguous();
}

bool PolicyNetwork::IsSmall(int64_t rows) const {
  constexpr int64_t kWork =
      16 << 20;  // multiply-adds of a forward pass: about a millisecond with its backward pass
  return rows * parameters_.numel() < kWork;
}

void PolicyNetwork::Load(const TensorDict& state, const std::string& what) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, value] : state) {
    if (!named_parameters_.contains(name)) {
      ThrowUser("{}: tensor {} has no place in this agent; were agent.hidden_sizes the same?", what,
                name);
    }
  }
  for (const auto& [name, view] : named_parameters_) {
    const auto it = state.find(name);
    if (it == state.end()) {
      ThrowUser("{}: tensor {} is missing; were agent.hidden_sizes the same?", what, name);
    }
    if (!it->second.sizes().equals(view.sizes()) || it->second.scalar_type() != torch::kFloat32) {
      ThrowUser(
          "{}: {} is {} [{}], this agent needs F32 [{}]: the environment or agent.hidden_sizes "
          "differ",
          what, name, c10::toString(it->second.scalar_type()), fmt::join(it->second.sizes(), ","),
          fmt::join(view.sizes(), ","));
    }
  }
  for (auto& [name, view] : named_parameters_) view.copy_(state.at(name));
  ParametersChanged();
}

}  // namespace v2r
