#include "agents/policy_network.h"

#include <spdlog/fmt/ranges.h>

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
  const auto add_network = [&](const std::string& name, int64_t out_dim, double last_gain) {
    int64_t in = options_.obs_dim;
    const size_t hidden = options_.hidden_sizes.size();
    for (size_t l = 0; l <= hidden; ++l) {
      const int64_t out = l == hidden ? out_dim : options_.hidden_sizes[l];
      const double gain = l == hidden ? last_gain : std::sqrt(2.0);
      slots.push_back({fmt::format("{}.{}.weight", name, 2 * l), {out, in}, gain, 0});
      slots.push_back({fmt::format("{}.{}.bias", name, 2 * l), {out}, 0, 0});
      in = out;
    }
  };
  add_network("actor_mean", options_.act_dim, 0.01);
  add_network("critic", 1, 1.0);
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
    if (slot.gain != 0) {
      view.copy_(OrthogonalMatrix(slot.shape[0], slot.shape[1], slot.gain, rng));
    } else {
      view.fill_(slot.fill);
    }
  }
  log_std_ = named_parameters_.at("actor_logstd").view({-1});
  log_std_grad_ = named_gradients_.at("actor_logstd").view({-1});
  mlps_ = {MakeMlp("actor_mean"), MakeMlp("critic")};
}

Mlp PolicyNetwork::MakeMlp(const std::string& name) const {
  std::vector<LinearView> layers;
  for (size_t l = 0; l <= options_.hidden_sizes.size(); ++l) {
    const std::string weight = fmt::format("{}.{}.weight", name, 2 * l);
    const std::string bias = fmt::format("{}.{}.bias", name, 2 * l);
    layers.push_back({named_parameters_.at(weight), named_parameters_.at(bias),
                      named_gradients_.at(weight), named_gradients_.at(bias)});
  }
  return Mlp(std::move(layers), ParseActivation(options_.activation));
}

PolicyNetwork::Buffers PolicyNetwork::MakeBuffers(int64_t rows) const {
  return {mlps_[0].MakeBuffers(rows), mlps_[1].MakeBuffers(rows)};
}

void PolicyNetwork::Forward(const torch::Tensor& x, Buffers& buffers) const {
  mlps_[0].Forward(x, buffers.actor);
  mlps_[1].Forward(x, buffers.critic);
}

void PolicyNetwork::Backward(const torch::Tensor& x, const torch::Tensor& grad_mean,
                             const torch::Tensor& grad_value, Buffers& buffers) const {
  mlps_[0].Backward(x, grad_mean, buffers.actor);
  mlps_[1].Backward(x, grad_value, buffers.critic);
}

bool PolicyNetwork::IsSmall(int64_t rows) const {
  constexpr int64_t kWork =
      16 << 20;  // multiply-adds of a forward pass: about a millisecond with its backward pass
  return rows * parameters_.numel() < kWork;
}

torch::Tensor PolicyNetwork::Value(const torch::Tensor& x) const {
  const SerialTorchScope serial(IsSmall(x.size(0)));
  Mlp::Buffers buffers = mlps_[1].MakeBuffers(x.size(0));
  mlps_[1].Forward(x.to(device_), buffers);
  return buffers.output().view({-1}).to(torch::kCPU);
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
}

}  // namespace v2r
