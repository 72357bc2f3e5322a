#include "agents/ppo_learner.h"

#include <ATen/ops/_fused_adam.h>

#include <algorithm>
#include <cmath>

#include "agents/serial_torch.h"
#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999;

std::span<const float> Floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// out[i] = values[permutation[i]], rows of `width` floats, `stride` apart in `out`.
void Gather(const std::vector<float>& values, std::span<const int64_t> permutation, int64_t width,
            int64_t stride, float* out) {
  for (const int64_t source : permutation) {
    std::copy_n(values.data() + source * width, width, out);
    out += stride;
  }
}

GaussianHeadOptions HeadOptions(GaussianHeadOptions options, const PolicyNetwork& network) {
  options.act_dim = network.act_dim();
  options.state_dependent_std = network.log_std().numel() == 0;
  return options;
}

}  // namespace

PpoLearner::PpoLearner(PolicyNetwork& network, const PpoLearnerOptions& options)
    : network_(network),
      options_(options),
      head_(HeadOptions(options.head, network)),
      obs_stride_(SimdPadded(network.obs_dim())),
      learning_rate_(options.learning_rate) {
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
  shuffled_.obs.assign(n * static_cast<size_t>(obs_stride_), 0.0f);
  shuffled_.actions.resize(samples_.actions.size());
  shuffled_.log_probs.resize(n);
  shuffled_.values.resize(n);
  shuffled_.advantages.resize(n);
  shuffled_.returns.resize(n);
  if (options_.desired_kl <= 0) return;
  const torch::Tensor actor = network_.Actor(
      torch::from_blob(samples_.obs.data(), {num_samples_, network_.obs_dim()}, torch::kFloat32));
  const auto outputs = Floats(actor);
  old_actor_.assign(outputs.begin(), outputs.end());
  shuffled_actor_.resize(old_actor_.size());
  const torch::Tensor log_std = network_.log_std().to(torch::kCPU);
  old_log_std_.assign(Floats(log_std).begin(), Floats(log_std).end());
}

void PpoLearner::Shuffle(std::span<const int64_t> permutation) {
  V2R_CHECK_EQ(static_cast<int64_t>(permutation.size()), num_samples_);
  Gather(samples_.obs, permutation, network_.obs_dim(), obs_stride_, shuffled_.obs.data());
  const int64_t act_dim = network_.act_dim();
  Gather(samples_.actions, permutation, act_dim, act_dim, shuffled_.actions.data());
  Gather(samples_.log_probs, permutation, 1, 1, shuffled_.log_probs.data());
  Gather(samples_.values, permutation, 1, 1, shuffled_.values.data());
  Gather(samples_.advantages, permutation, 1, 1, shuffled_.advantages.data());
  Gather(samples_.returns, permutation, 1, 1, shuffled_.returns.data());
  if (options_.desired_kl > 0) {
    Gather(old_actor_, permutation, head_.outputs(), head_.outputs(), shuffled_actor_.data());
  }
  if (network_.fused() != nullptr) return;
  shuffled_obs_ = torch::from_blob(shuffled_.obs.data(), {num_samples_, network_.obs_dim()},
                                   {obs_stride_, 1}, torch::kFloat32)
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
  work.grad_actor = torch::empty({rows, head_.outputs()});
  work.grad_value = torch::empty({rows, 1});
  workspaces_.push_back(std::move(work));
  return workspaces_.back();
}

PpoStepResult PpoLearner::Step(int64_t index, double learning_rate) {
  const c10::InferenceMode inference;
  const int64_t begin = index * options_.batch_size;
  const int64_t rows = std::min(options_.batch_size, num_samples_ - begin);
  V2R_CHECK(index >= 0 && rows > 0, "minibatch {} of {}", index, num_minibatches());
  FusedPolicy* fused = network_.fused();
  const SerialTorchScope serial(fused == nullptr && network_.IsSmall(rows));

  // Forward.
  const float* fused_x = shuffled_.obs.data() + begin * obs_stride_;
  torch::Tensor x;
  Workspace* work = nullptr;
  GaussianHead::Batch batch{.rows = rows,
                            .actions = shuffled_.actions.data() + begin * network_.act_dim()};
  const float* value = nullptr;
  int64_t value_stride = 1;
  if (fused != nullptr) {
    fused->Forward(fused_x, obs_stride_, rows);
    batch.actor = fused->actor();
    batch.stride = fused->actor_stride();
    value = fused->value();
    value_stride = fused->value_stride();
  } else {
    work = &WorkspaceFor(rows);
    x = shuffled_obs_.narrow(0, begin, rows);
    network_.Forward(x, work->network);
    work->actor = work->network.mean().to(torch::kCPU);
    work->value = work->network.value().to(torch::kCPU);
    batch.actor = work->actor.data_ptr<float>();
    batch.stride = head_.outputs();
    value = work->value.data_ptr<float>();
  }
  const torch::Tensor log_std_cpu = network_.log_std().to(torch::kCPU);
  batch.log_std = Floats(log_std_cpu);

  // Loss.
  const auto size = static_cast<size_t>(rows);
  for (auto* column : {&log_probs_, &grad_log_probs_, &values_, &grad_values_})
    column->resize(size);
  for (int64_t i = 0; i < rows; ++i) values_[static_cast<size_t>(i)] = value[i * value_stride];
  const auto minibatch = [&](const std::vector<float>& column) {
    return std::span<const float>(column).subspan(static_cast<size_t>(begin), size);
  };
  PpoStepResult result;
  result.entropy = head_.LogProbs(batch, log_probs_);
  const PpoLossInput input = {.new_log_probs = log_probs_,
                              .old_log_probs = minibatch(shuffled_.log_probs),
                              .new_values = values_,
                              .old_values = minibatch(shuffled_.values),
                              .advantages = minibatch(shuffled_.advantages),
                              .returns = minibatch(shuffled_.returns),
                              .entropy = result.entropy};
  result.loss = PpoLoss(input, options_.loss, grad_log_probs_, grad_values_);
  if (options_.target_kl > 0 && result.loss.approx_kl > 1.5 * options_.target_kl) {
    result.stopped = true;
    return result;
  }
  if (options_.desired_kl > 0) {
    result.kl = head_.MeanKl(shuffled_actor_.data() + begin * head_.outputs(), old_log_std_, batch);
    learning_rate = Adapt(result.kl);
  }
  result.learning_rate = learning_rate;

  // Backward. The gradient of log_std goes where the others are, by way of the CPU.
  torch::Tensor grad_log_std = network_.log_std_grad();
  if (!network_.device().is_cpu()) grad_log_std = grad_log_std.to(torch::kCPU);
  const std::span<float> by_log_std{grad_log_std.data_ptr<float>(), batch.log_std.size()};
  float* grad_actor = fused != nullptr ? fused->grad_actor() : work->grad_actor.data_ptr<float>();
  float* grad_value = fused != nullptr ? fused->grad_value() : work->grad_value.data_ptr<float>();
  result.bounds_loss =
      head_.Backward(batch, grad_log_probs_, result.loss.grad_entropy, grad_actor, by_log_std);
  result.loss.loss += result.bounds_loss;
  for (int64_t i = 0; i < rows; ++i)
    grad_value[i * value_stride] = grad_values_[static_cast<size_t>(i)];
  if (!network_.device().is_cpu()) {
    torch::Tensor target = network_.log_std_grad();
    target.copy_(grad_log_std);
  }
  result.grad_norm = fused != nullptr ? FusedStep(fused_x, rows, learning_rate)
                                      : TorchStep(x, *work, learning_rate);
  if (!std::isfinite(result.grad_norm)) {
    ThrowUser(
        "PPO's gradient is not finite (policy loss {}, value loss {}): training has diverged; "
        "lower agent.learning_rate "
        "or agent.max_grad_norm",
        result.loss.pg_loss, result.loss.v_loss);
  }
  return result;
}

// torch.nn.utils.clip_grad_norm_'s factor.
double PpoLearner::ClipFactor(double grad_norm) const {
  if (options_.max_grad_norm <= 0) return 1.0;
  return std::min(1.0, options_.max_grad_norm / (grad_norm + 1e-6));
}

double PpoLearner::FusedStep(const float* x, int64_t rows, double learning_rate) {
  FusedPolicy& fused = *network_.fused();
  fused.Backward(x, obs_stride_, rows);
  const int64_t size = network_.parameters().numel();
  float* gradients = network_.gradients().data_ptr<float>();
  const double norm = std::sqrt(fused.kernels().sum_of_squares(gradients, size));
  if (!std::isfinite(norm)) return norm;
  const double step = ++*adam_step_.data_ptr<float>();
  const AdamStep adam = {
      .step_size = static_cast<float>(learning_rate / (1.0 - std::pow(kBeta1, step))),
      .one_minus_beta1 = static_cast<float>(1.0 - kBeta1),
      .beta2 = static_cast<float>(kBeta2),
      .one_minus_beta2 = static_cast<float>(1.0 - kBeta2),
      .inverse_correction2_sqrt = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(kBeta2, step))),
      .eps = static_cast<float>(options_.adam_eps),
      .grad_scale = static_cast<float>(ClipFactor(norm))};
  fused.kernels().adam(adam, size, network_.parameters().data_ptr<float>(), gradients,
                       exp_avg_.data_ptr<float>(), exp_avg_sq_.data_ptr<float>());
  fused.Refresh();
  return norm;
}

double PpoLearner::TorchStep(const torch::Tensor& x, Workspace& work, double learning_rate) {
  network_.Backward(x, work.grad_actor.to(network_.device()), work.grad_value.to(network_.device()),
                    work.network);
  torch::Tensor gradients = network_.gradients();
  const double norm = gradients.norm().item<double>();
  if (!std::isfinite(norm)) return norm;
  const double factor = ClipFactor(norm);
  if (factor < 1.0) gradients.mul_(factor);
  at::_fused_adam_({network_.parameters()}, {gradients}, {exp_avg_}, {exp_avg_sq_}, {},
                   {adam_step_.add_(1.0)}, learning_rate, kBeta1, kBeta2, /*weight_decay=*/0.0,
                   options_.adam_eps, /*amsgrad=*/false,
                   /*maximize=*/false);
  return norm;
}

double PpoLearner::Adapt(double kl) {
  if (kl > 2.0 * options_.desired_kl) {
    learning_rate_ = std::max(options_.min_lr, learning_rate_ / 1.5);
  } else if (kl < 0.5 * options_.desired_kl && kl > 0.0) {
    learning_rate_ = std::min(options_.max_lr, learning_rate_ * 1.5);
  }
  return learning_rate_;
}

StateDict PpoLearner::Save() const {
  StateDict state = {{"exp_avg", ToBlob(exp_avg_)},
                     {"exp_avg_sq", ToBlob(exp_avg_sq_)},
                     {"step", ToBlob(adam_step_)}};
  if (options_.desired_kl > 0) state["learning_rate"] = Blob::Scalar<double>(learning_rate_);
  return state;
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
  if (options_.desired_kl > 0) learning_rate_ = RequireScalar<double>(state, "learning_rate", what);
}

}  // namespace v2r
