#include "agents/ppo_learner.h"

#include <ATen/ops/_fused_adam.h>

#include <algorithm>
#include <cmath>

#include "agents/diag_gaussian.h"
#include "agents/serial_torch.h"
#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999;

std::span<const float> Row(const std::vector<float>& values, int64_t row, int64_t width) {
  return std::span<const float>(values).subspan(static_cast<size_t>(row * width),
                                                static_cast<size_t>(width));
}

std::span<const float> Floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

std::span<float> MutableFloats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// out[i] = values[permutation[i]], rows of `width` floats.
void Gather(const std::vector<float>& values, std::span<const int64_t> permutation, int64_t width,
            float* out) {
  for (const int64_t source : permutation) {
    const auto row = Row(values, source, width);
    out = std::copy(row.begin(), row.end(), out);
  }
}

}  // namespace

PpoLearner::PpoLearner(PolicyNetwork& network, const PpoLearnerOptions& options)
    : network_(network), options_(options) {
  exp_avg_ = torch::zeros_like(network.parameters());
  exp_avg_sq_ = torch::zeros_like(network.parameters());
  adam_step_ = torch::zeros({}, network.parameters().options());
}

void PpoLearner::SetSamples(PpoSamples samples) {
  const size_t n = samples.log_probs.size();
  V2R_CHECK(n > 0);
  V2R_CHECK_EQ(samples.obs.size(), n * static_cast<size_t>(network_.obs_dim()));
  V2R_CHECK_EQ(samples.actions.size(), n * static_cast<size_t>(network_.act_dim()));
  for (const auto* column : {&samples.values, &samples.advantages, &samples.returns}) {
    V2R_CHECK_EQ(column->size(), n);
  }
  samples_ = std::move(samples);
  num_samples_ = static_cast<int64_t>(n);
  shuffled_.obs.resize(samples_.obs.size());
  shuffled_.actions.resize(samples_.actions.size());
  shuffled_.log_probs.resize(n);
  shuffled_.values.resize(n);
  shuffled_.advantages.resize(n);
  shuffled_.returns.resize(n);
}

void PpoLearner::Shuffle(std::span<const int64_t> permutation) {
  V2R_CHECK_EQ(static_cast<int64_t>(permutation.size()), num_samples_);
  Gather(samples_.obs, permutation, network_.obs_dim(), shuffled_.obs.data());
  Gather(samples_.actions, permutation, network_.act_dim(), shuffled_.actions.data());
  Gather(samples_.log_probs, permutation, 1, shuffled_.log_probs.data());
  Gather(samples_.values, permutation, 1, shuffled_.values.data());
  Gather(samples_.advantages, permutation, 1, shuffled_.advantages.data());
  Gather(samples_.returns, permutation, 1, shuffled_.returns.data());
  shuffled_obs_ =
      torch::from_blob(shuffled_.obs.data(), {num_samples_, network_.obs_dim()}, torch::kFloat32)
          .to(network_.device());
}

int64_t PpoLearner::num_minibatches() const {
  return (num_samples_ + options_.batch_size - 1) / options_.batch_size;
}

PpoLearner::Workspace& PpoLearner::WorkspaceFor(int64_t rows) {
  for (Workspace& work : workspaces_) {
    if (work.rows == rows) return work;
  }
  // A full and a last minibatch are all there is, until the rollout's size changes.
  if (workspaces_.size() >= 2) workspaces_.clear();
  Workspace work;
  work.rows = rows;
  work.network = network_.MakeBuffers(rows);
  work.grad_mean = torch::empty({rows, network_.act_dim()});
  work.grad_value = torch::empty({rows, 1});
  work.log_probs.resize(static_cast<size_t>(rows));
  work.grad_log_probs.resize(static_cast<size_t>(rows));
  workspaces_.push_back(std::move(work));
  return workspaces_.back();
}

PpoStepResult PpoLearner::Step(int64_t index, double learning_rate) {
  const c10::InferenceMode inference;
  const int64_t begin = index * options_.batch_size;
  const int64_t rows = std::min(options_.batch_size, num_samples_ - begin);
  V2R_CHECK(index >= 0 && rows > 0, "minibatch {} of {}", index, num_minibatches());
  const SerialTorchScope serial(network_.IsSmall(rows));
  Workspace& work = WorkspaceFor(rows);
  const torch::Tensor x = shuffled_obs_.narrow(0, begin, rows);
  network_.Forward(x, work.network);
  work.mean = work.network.mean().to(torch::kCPU);
  work.value = work.network.value().to(torch::kCPU);
  const torch::Tensor log_std_cpu = network_.log_std().to(torch::kCPU);
  const std::span<const float> log_std = Floats(log_std_cpu);

  const int64_t act_dim = network_.act_dim();
  const auto mean = Floats(work.mean);
  for (int64_t i = 0; i < rows; ++i) {
    work.log_probs[static_cast<size_t>(i)] = static_cast<float>(GaussianLogProb(
        mean.subspan(static_cast<size_t>(i * act_dim), static_cast<size_t>(act_dim)), log_std,
        Row(shuffled_.actions, begin + i, act_dim)));
  }
  const auto minibatch = [&](const std::vector<float>& column) {
    return std::span<const float>(column).subspan(static_cast<size_t>(begin),
                                                  static_cast<size_t>(rows));
  };
  PpoStepResult result;
  result.entropy = GaussianEntropy(log_std);
  const PpoLossInput input = {.new_log_probs = work.log_probs,
                              .old_log_probs = minibatch(shuffled_.log_probs),
                              .new_values = Floats(work.value),
                              .old_values = minibatch(shuffled_.values),
                              .advantages = minibatch(shuffled_.advantages),
                              .returns = minibatch(shuffled_.returns),
                              .entropy = result.entropy};
  result.loss = PpoLoss(input, options_.loss, work.grad_log_probs, MutableFloats(work.grad_value));
  if (options_.target_kl > 0 && result.loss.approx_kl > 1.5 * options_.target_kl) {
    result.stopped = true;
    return result;
  }

  HeadGradients(work, begin, log_std, result.loss.grad_entropy);
  network_.Backward(x, work.grad_mean.to(network_.device()), work.grad_value.to(network_.device()),
                    work.network);
  torch::Tensor gradients = network_.gradients();
  result.grad_norm = gradients.norm().item<double>();
  if (!std::isfinite(result.grad_norm)) {
    ThrowUser(
        "PPO's gradient is not finite (policy loss {}, value loss {}): training has diverged; "
        "lower agent.learning_rate "
        "or agent.max_grad_norm",
        result.loss.pg_loss, result.loss.v_loss);
  }
  // torch.nn.utils.clip_grad_norm_'s factor.
  if (options_.max_grad_norm > 0) {
    const double factor = options_.max_grad_norm / (result.grad_norm + 1e-6);
    if (factor < 1.0) gradients.mul_(factor);
  }
  at::_fused_adam_({network_.parameters()}, {gradients}, {exp_avg_}, {exp_avg_sq_}, {},
                   {adam_step_.add_(1.0)}, learning_rate, kBeta1, kBeta2, /*weight_decay=*/0.0,
                   options_.adam_eps, /*amsgrad=*/false,
                   /*maximize=*/false);
  return result;
}

void PpoLearner::HeadGradients(Workspace& work, int64_t begin, std::span<const float> log_std,
                               double grad_entropy) {
  const auto act_dim = static_cast<size_t>(network_.act_dim());
  const auto mean = Floats(work.mean);
  const auto grad_mean = MutableFloats(work.grad_mean);
  std::fill(grad_mean.begin(), grad_mean.end(), 0.0f);
  std::vector<double> grad_log_std(
      act_dim, grad_entropy);  // the entropy's derivative is 1 for each component
  for (size_t i = 0; i < work.log_probs.size(); ++i) {
    GaussianLogProbBackward(
        mean.subspan(i * act_dim, act_dim), log_std,
        Row(shuffled_.actions, begin + static_cast<int64_t>(i), network_.act_dim()),
        work.grad_log_probs[i], grad_mean.subspan(i * act_dim, act_dim), grad_log_std);
  }
  torch::Tensor target = network_.log_std_grad();
  target.copy_(torch::tensor(at::ArrayRef<double>(grad_log_std), torch::kFloat32));
}

StateDict PpoLearner::Save() const {
  return {{"exp_avg", ToBlob(exp_avg_)},
          {"exp_avg_sq", ToBlob(exp_avg_sq_)},
          {"step", ToBlob(adam_step_)}};
}

void PpoLearner::Load(const StateDict& state, const std::string& what) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, target] : {std::pair<const char*, torch::Tensor>{"exp_avg", exp_avg_},
                               {"exp_avg_sq", exp_avg_sq_},
                               {"step", adam_step_}}) {
    const torch::Tensor value = ToTensor(Require(state, name, what));
    if (!value.sizes().equals(target.sizes())) {
      ThrowUser(
          "{}: Adam's {} has {} values, this agent needs {}: the environment or agent.hidden_sizes "
          "differ",
          what, name, value.numel(), target.numel());
    }
    target.copy_(value);
  }
}

}  // namespace v2r
