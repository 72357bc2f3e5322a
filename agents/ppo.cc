#include "agents/ppo.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "agents/gae.h"
#include "agents/gaussian_head.h"
#include "agents/obs_normalizer.h"
#include "agents/policy_network.h"
#include "agents/ppo_learner.h"
#include "agents/serial_torch.h"
#include "core/error.h"
#include "core/tensor_file.h"
#include "learn/running_stats.h"

namespace v2r {
namespace {

std::span<const float> Floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

std::span<const uint8_t> Bytes(const torch::Tensor& tensor) {
  return {tensor.data_ptr<uint8_t>(), static_cast<size_t>(tensor.numel())};
}

std::span<float> MutableFloats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

GaussianHeadOptions HeadOptions(const PpoOptions& options, int64_t act_dim,
                                const ActionBounds& bounds) {
  GaussianHeadOptions head;
  head.act_dim = act_dim;
  head.state_dependent_std = options.state_dependent_std;
  head.log_std_min = options.log_std_min;
  head.log_std_max = options.log_std_max;
  head.squash = options.squash;
  head.bounds_loss_coef = options.bounds_loss_coef;
  for (size_t a = 0; a < bounds.low.size(); ++a) {
    head.centre.push_back(0.5 * (bounds.high[a] + bounds.low[a]));
    head.half_width.push_back(0.5 * (bounds.high[a] - bounds.low[a]));
  }
  return head;
}

PolicyNetworkOptions NetworkOptions(const PpoOptions& options, int64_t obs_dim, int64_t act_dim) {
  return {.obs_dim = obs_dim,
          .act_dim = act_dim,
          .hidden_sizes = options.hidden_sizes,
          .value_hidden_sizes = options.value_hidden_sizes,
          .activation = options.activation,
          .log_std_init = options.log_std_init,
          .ortho_init = options.ortho_init,
          .shared_trunk = options.shared_trunk,
          .state_dependent_std = options.state_dependent_std,
          .fused = options.fused};
}

// Of normalised values: Denys88/rl_games algos_torch/running_mean_std.py.
constexpr double kValueEpsilon = 1e-5, kValueClip = 5.0;

class Ppo : public Agent {
 public:
  Ppo(const PpoOptions& options, int64_t obs_dim, int64_t act_dim, Rng& rng,
      const torch::Device& device, const ActionBounds& bounds)
      : options_(options),
        network_(NetworkOptions(options, obs_dim, act_dim), rng, device),
        head_(HeadOptions(options, act_dim, bounds)),
        learner_(network_, {.loss = {.clip_coef = options.clip_coef,
                                     .clip_vloss = options.clip_vloss,
                                     .norm_adv = options.norm_adv,
                                     .ent_coef = options.ent_coef,
                                     .vf_coef = options.vf_coef},
                            .head = head_.options(),
                            .batch_size = options.batch_size,
                            .max_grad_norm = options.max_grad_norm,
                            .adam_eps = options.adam_eps,
                            .target_kl = options.target_kl,
                            .desired_kl = options.desired_kl,
                            .learning_rate = options.learning_rate,
                            .min_lr = options.min_lr,
                            .max_lr = options.max_lr}),
        obs_normalizer_(obs_dim, options.clip_obs) {}

  void Act(std::span<const float> obs, ActMode mode, Rng& rng, std::span<float> actions,
           std::span<float> log_probs, std::span<float> values) override;
  Metrics Update(const Rollout& rollout, double progress, Rng& rng) override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;
  std::string Describe() const override;

 private:
  void ForwardForActing(std::span<const float> obs, int64_t rows);
  double RealValue(float output) const;
  void Normalize(std::span<const float> obs, std::span<float> out) const;
  std::vector<float> NormalizedRewards(const Rollout& rollout, Metrics& metrics);
  std::vector<float> NextValues(const Rollout& rollout, std::span<const float> values) const;
  PpoSamples MakeSamples(const Rollout& rollout, Metrics& metrics);

  const PpoOptions options_;
  PolicyNetwork network_;
  GaussianHead head_;
  PpoLearner learner_;
  ObsNormalizer obs_normalizer_;
  std::optional<RewardNormalizer>
      reward_normalizer_;  // made by the first rollout, which says how many environments there are
  std::vector<uint8_t> episode_ended_;  // [N] at the last step, for norm_reward_rule sb3
  RunningMeanStd value_stats_{1, 1.0};  // of returns, with norm_value
  // Of Act, for one number of environments.
  torch::Tensor act_input_;  // CPU [N,O]
  PolicyNetwork::Buffers act_buffers_;
  torch::Tensor act_actor_, act_value_, act_log_std_;  // CPU
  GaussianHead::Batch act_batch_;
  const float* act_values_ = nullptr;
  int64_t act_value_stride_ = 1;
  std::vector<float> act_raw_;
};

void Ppo::Normalize(std::span<const float> obs, std::span<float> out) const {
  if (options_.norm_obs) {
    obs_normalizer_.Normalize(obs, out);
  } else {
    std::copy(obs.begin(), obs.end(), out.begin());
  }
}

void Ppo::Act(std::span<const float> obs, ActMode mode, Rng& rng, std::span<float> actions,
              std::span<float> log_probs, std::span<float> values) {
  const auto obs_dim = static_cast<size_t>(network_.obs_dim());
  const auto act_dim = static_cast<size_t>(network_.act_dim());
  const size_t n = obs.size() / obs_dim;
  V2R_CHECK(n > 0);
  V2R_CHECK_EQ(obs.size(), n * obs_dim);
  V2R_CHECK_EQ(actions.size(), n * act_dim);
  V2R_CHECK(log_probs.empty() || log_probs.size() == n, "{} log-probs for {} rows",
            log_probs.size(), n);
  V2R_CHECK(values.empty() || values.size() == n, "{} values for {} rows", values.size(), n);
  for (size_t k = 0; k < obs.size(); ++k) {
    if (!std::isfinite(obs[k])) {
      ThrowUser(
          "the observation of environment {} is not finite: element {} of {} is {}; the simulation "
          "has diverged or "
          "the observation is computed wrongly",
          k / obs_dim, k % obs_dim, obs_dim, obs[k]);
    }
  }

  const c10::InferenceMode inference;
  if (mode == ActMode::kSample && options_.norm_obs) obs_normalizer_.Learn(obs);
  ForwardForActing(obs, static_cast<int64_t>(n));
  for (size_t i = 0; i < n; ++i) {
    const float* row = act_batch_.actor + static_cast<int64_t>(i) * act_batch_.stride;
    const auto action = actions.subspan(i * act_dim, act_dim);
    if (mode == ActMode::kSample) {
      head_.Sample(row, act_batch_.log_std, rng, action);
    } else {
      std::copy_n(row, act_dim, action.begin());
    }
    if (!values.empty()) {
      values[i] =
          static_cast<float>(RealValue(act_values_[static_cast<int64_t>(i) * act_value_stride_]));
    }
  }
  head_.ToEnvironment(actions);
  if (log_probs.empty()) return;
  // Of the variable that the update will recover from the action.
  act_raw_.assign(actions.begin(), actions.end());
  head_.FromEnvironment(act_raw_);
  act_batch_.actions = act_raw_.data();
  head_.LogProbs(act_batch_, log_probs);
}

void Ppo::ForwardForActing(std::span<const float> obs, int64_t rows) {
  FusedPolicy* fused = network_.fused();
  if (!act_input_.defined() || act_input_.size(0) != rows) {
    act_input_ = torch::empty({rows, network_.obs_dim()});
    if (fused == nullptr) act_buffers_ = network_.MakeBuffers(rows);
  }
  Normalize(obs, MutableFloats(act_input_));
  act_batch_.rows = rows;
  if (fused != nullptr) {
    fused->Forward(act_input_.data_ptr<float>(), network_.obs_dim(), rows);
    act_batch_.actor = fused->actor();
    act_batch_.stride = fused->actor_stride();
    act_batch_.log_std = Floats(network_.log_std());
    act_values_ = fused->value();
    act_value_stride_ = fused->value_stride();
    return;
  }
  const SerialTorchScope serial(network_.IsSmall(rows));
  network_.Forward(act_input_.to(network_.device()), act_buffers_);
  act_actor_ = act_buffers_.mean().to(torch::kCPU);
  act_value_ = act_buffers_.value().to(torch::kCPU);
  act_log_std_ = network_.log_std().to(torch::kCPU);
  act_batch_.actor = act_actor_.data_ptr<float>();
  act_batch_.stride = head_.outputs();
  act_batch_.log_std = Floats(act_log_std_);
  act_values_ = act_value_.data_ptr<float>();
  act_value_stride_ = 1;
}

double Ppo::RealValue(float output) const {
  if (!options_.norm_value) return output;
  return std::clamp<double>(output, -kValueClip, kValueClip) *
             std::sqrt(value_stats_.var()[0] + kValueEpsilon) +
         value_stats_.mean()[0];
}

// All rewards of a rollout are divided by one deviation, that of the discounted returns up to its
// end: a rollout's advantages share one scale, and the first steps ever taken are not divided by a
// deviation of nearly nothing.
std::vector<float> Ppo::NormalizedRewards(const Rollout& rollout, Metrics& metrics) {
  const auto rewards = Floats(rollout.rewards);
  const auto n = static_cast<size_t>(rollout.N);
  for (size_t k = 0; k < rewards.size(); ++k) {
    if (!std::isfinite(rewards[k])) {
      ThrowUser("the reward of environment {} at step {} of the rollout is not finite ({})", k % n,
                k / n, rewards[k]);
    }
  }
  std::vector<float> out(rewards.begin(), rewards.end());
  if (!options_.norm_reward) return out;
  if (!reward_normalizer_) {
    reward_normalizer_.emplace(rollout.N, options_.gamma);
    episode_ended_.assign(n, 0);
  }
  const auto terminated = Bytes(rollout.terminated), truncated = Bytes(rollout.truncated);
  const bool sb3 = options_.norm_reward_rule == "sb3";
  std::vector<float> step(n);
  for (size_t t = 0; t < static_cast<size_t>(rollout.T); ++t) {
    // Gymnasium forgets the past of a return at the step that terminates, stable-baselines3 at the
    // one after any end (wrappers/stateful_reward.py, common/vec_env/vec_normalize.py).
    const std::span<const uint8_t> forget =
        sb3 ? std::span<const uint8_t>(episode_ended_) : terminated.subspan(t * n, n);
    reward_normalizer_->Step(rewards.subspan(t * n, n), forget, step);
    for (size_t i = 0; i < n; ++i)
      episode_ended_[i] = terminated[t * n + i] || truncated[t * n + i];
  }
  const double scale = reward_normalizer_->Scale();
  metrics["train/return_std"] = 1.0 / scale;
  const double bound = options_.clip_reward;
  for (float& reward : out) {
    const double scaled = reward * scale;
    reward = static_cast<float>(bound > 0 ? std::clamp(scaled, -bound, bound) : scaled);
  }
  return out;
}

// V(s_{t+1}) [T,N] with s_{t+1} before any reset: the critic looks at next_obs where an episode was
// truncated and at the rollout's end, everywhere else it is the value of the next row.
std::vector<float> Ppo::NextValues(const Rollout& rollout, std::span<const float> values) const {
  const auto n = static_cast<size_t>(rollout.N), obs_dim = static_cast<size_t>(network_.obs_dim());
  const auto terminated = Bytes(rollout.terminated), truncated = Bytes(rollout.truncated);
  const auto next_obs = Floats(rollout.next_obs);
  std::vector<float> next_values(values.size(), 0.0f);
  std::vector<size_t> asked;
  std::vector<float> inputs;
  for (size_t k = 0; k < values.size(); ++k) {
    if (terminated[k]) continue;
    if (!truncated[k] && k + n < values.size()) {
      next_values[k] = values[k + n];
      continue;
    }
    asked.push_back(k);
    const auto row = next_obs.subspan(k * obs_dim, obs_dim);
    for (size_t j = 0; j < obs_dim; ++j) {
      if (!std::isfinite(row[j])) {
        ThrowUser(
            "the last observation of environment {} at step {} of the rollout is not finite "
            "(element {} is {})",
            k % n, k / n, j, row[j]);
      }
    }
    inputs.insert(inputs.end(), row.begin(), row.end());
  }
  if (asked.empty()) return next_values;
  Normalize(inputs, inputs);
  const torch::Tensor found = network_.Value(torch::from_blob(
      inputs.data(), {static_cast<int64_t>(asked.size()), network_.obs_dim()}, torch::kFloat32));
  for (size_t j = 0; j < asked.size(); ++j)
    next_values[asked[j]] = static_cast<float>(RealValue(Floats(found)[j]));
  return next_values;
}

PpoSamples Ppo::MakeSamples(const Rollout& rollout, Metrics& metrics) {
  // The first rollout was acted on without statistics. They are taken over before learning, so that
  // the weights never meet raw observations; the values follow, the log-probabilities stay those of
  // the policy that acted.
  const bool first = options_.norm_obs && !obs_normalizer_.adopted();
  if (first) obs_normalizer_.Adopt();
  const auto copy = [](const torch::Tensor& tensor) {
    const auto values = Floats(tensor);
    return std::vector<float>(values.begin(), values.end());
  };
  PpoSamples samples;
  samples.actions = copy(rollout.actions);
  head_.FromEnvironment(samples.actions);
  samples.log_probs = copy(rollout.log_probs);
  samples.obs.resize(static_cast<size_t>(rollout.obs.numel()));
  Normalize(Floats(rollout.obs), samples.obs);
  const int64_t size = rollout.T * rollout.N;
  samples.values = copy(rollout.values);
  if (first) {
    const torch::Tensor found = network_.Value(
        torch::from_blob(samples.obs.data(), {size, network_.obs_dim()}, torch::kFloat32));
    for (size_t k = 0; k < samples.values.size(); ++k)
      samples.values[k] = static_cast<float>(RealValue(Floats(found)[k]));
  }

  const std::vector<float> rewards = NormalizedRewards(rollout, metrics);
  const std::vector<float> next_values = NextValues(rollout, samples.values);
  samples.advantages.resize(static_cast<size_t>(size));
  samples.returns.resize(static_cast<size_t>(size));
  ComputeGae({.T = rollout.T,
              .N = rollout.N,
              .rewards = rewards,
              .values = samples.values,
              .next_values = next_values,
              .terminated = Bytes(rollout.terminated),
              .truncated = Bytes(rollout.truncated),
              .gamma = options_.gamma,
              .gae_lambda = options_.gae_lambda},
             samples.advantages, samples.returns);
  metrics["train/explained_variance"] = ExplainedVariance(samples.values, samples.returns);
  if (options_.norm_value) {
    // In the order of Denys88/rl_games common/a2c_common.py, prepare_dataset.
    for (auto* column : {&samples.values, &samples.returns}) {
      value_stats_.Update(std::span<const float>(*column));
      value_stats_.Normalize(*column, *column, kValueEpsilon, kValueClip);
    }
    metrics["train/value_std"] = std::sqrt(value_stats_.var()[0]);
  }
  return samples;
}

Metrics Ppo::Update(const Rollout& rollout, double progress, Rng& rng) {
  V2R_CHECK_EQ(rollout.obs.numel(), rollout.T * rollout.N * network_.obs_dim());
  V2R_CHECK_EQ(rollout.actions.numel(), rollout.T * rollout.N * network_.act_dim());
  Metrics metrics;
  learner_.SetSamples(MakeSamples(rollout, metrics));
  const double learning_rate = options_.learning_rate * (options_.anneal_lr ? 1.0 - progress : 1.0);

  // Means over the minibatches of the update; the divergences over those of its last epoch.
  double policy_loss = 0, value_loss = 0, entropy = 0, loss = 0, clip_fraction = 0, grad_norm = 0;
  double k1 = 0, k3 = 0, kl = 0, bounds_loss = 0, last_rate = learning_rate;
  int64_t steps = 0, epochs = 0, epoch_steps = 0;
  bool stopped = false;
  for (int64_t epoch = 0; epoch < options_.update_epochs && !stopped; ++epoch) {
    learner_.Shuffle(rng.Permutation(rollout.T * rollout.N));
    k1 = k3 = 0;
    epoch_steps = 0;
    ++epochs;
    for (int64_t i = 0; i < learner_.num_minibatches(); ++i) {
      const PpoStepResult result = learner_.Step(i, learning_rate);
      k1 += result.loss.old_approx_kl;
      k3 += result.loss.approx_kl;
      ++epoch_steps;
      stopped = result.stopped;
      if (stopped) break;
      policy_loss += result.loss.pg_loss;
      value_loss += result.loss.v_loss;
      loss += result.loss.loss;
      clip_fraction += result.loss.clipfrac;
      entropy += result.entropy;
      grad_norm += result.grad_norm;
      bounds_loss += result.bounds_loss;
      kl += result.kl;
      last_rate = result.learning_rate;
      ++steps;
    }
  }
  if (options_.norm_obs) obs_normalizer_.Adopt();

  const double count = static_cast<double>(std::max<int64_t>(steps, 1));
  metrics["train/policy_gradient_loss"] = policy_loss / count;
  metrics["train/value_loss"] = value_loss / count;
  metrics["train/entropy_loss"] = -entropy / count;
  metrics["train/loss"] = loss / count;
  metrics["train/clip_fraction"] = clip_fraction / count;
  metrics["train/grad_norm"] = grad_norm / count;
  metrics["train/old_approx_kl"] = k1 / static_cast<double>(epoch_steps);
  metrics["train/approx_kl"] = k3 / static_cast<double>(epoch_steps);
  metrics["train/learning_rate"] = last_rate;
  metrics["train/epochs"] = static_cast<double>(epochs);
  metrics["train/fused"] = network_.fused() != nullptr ? 1 : 0;
  if (options_.bounds_loss_coef > 0) metrics["train/bounds_loss"] = bounds_loss / count;
  if (options_.desired_kl > 0) metrics["train/kl"] = kl / count;
  if (!options_.state_dependent_std)
    metrics["train/std"] = network_.log_std().exp().mean().item<double>();
  return metrics;
}

void Ppo::SaveState(StateDict& state) const {
  Merge(state, "network", ToStateDict(network_.named_parameters()));
  Merge(state, "adam", learner_.Save());
  if (options_.norm_obs) Merge(state, "obs_normalizer", obs_normalizer_.Save());
  if (options_.norm_value) Merge(state, "value_normalizer", value_stats_.Save());
  if (!reward_normalizer_) return;
  Merge(state, "reward_normalizer", reward_normalizer_->Save());
  state["reward_normalizer.episode_ended"] = Blob::Of<uint8_t>(episode_ended_);
}

std::string Ppo::Describe() const {
  const int64_t size = network_.parameters().numel();
  if (const FusedPolicy* fused = network_.fused())
    return fmt::format("PPO with {} parameters acts and learns by fused passes ({})", size,
                       fused->kernels().name);
  return fmt::format("PPO with {} parameters acts and learns through torch's operators: {}", size,
                     network_.fused_obstacle());
}

void Ppo::LoadState(const StateDict& state) {
  const std::string what = "the agent's checkpoint";
  network_.Load(ToTensors(Under(state, "network")), what);
  learner_.Load(Under(state, "adam"), what);
  if (options_.norm_obs) obs_normalizer_.Load(Under(state, "obs_normalizer"), what);
  if (options_.norm_value) value_stats_.Load(Under(state, "value_normalizer"), what);
  reward_normalizer_.reset();
  const StateDict rewards = Under(state, "reward_normalizer");
  if (options_.norm_reward && !rewards.empty()) {
    reward_normalizer_.emplace(Require(rewards, "returns", what).numel(), options_.gamma);
    reward_normalizer_->Load(rewards, what);
    // A checkpoint of before this was written belongs to the rule that does not read it.
    episode_ended_.assign(static_cast<size_t>(Require(rewards, "returns", what).numel()), 0);
    if (const auto found = rewards.find("episode_ended"); found != rewards.end()) {
      const auto flags = found->second.as<uint8_t>();
      episode_ended_.assign(flags.begin(), flags.end());
    }
  }
}

}  // namespace

std::unique_ptr<Agent> MakePpo(const PpoOptions& options, int64_t obs_dim, int64_t act_dim,
                               Rng& rng, const torch::Device& device, const ActionBounds& bounds) {
  if (obs_dim < 1 || act_dim < 1) {
    ThrowUser(
        "PPO needs an observation and an action of at least one number, the environment has {} and "
        "{}",
        obs_dim, act_dim);
  }
  if (options.hidden_sizes.empty())
    ThrowUser("agent.hidden_sizes is empty: give at least one layer, e.g. [64, 64]");
  for (const int64_t size : options.hidden_sizes) {
    if (size < 1)
      ThrowUser("agent.hidden_sizes: a layer of {} units; every layer needs at least 1", size);
  }
  for (const int64_t size : options.value_hidden_sizes) {
    if (size < 1)
      ThrowUser("agent.value_hidden_sizes: a layer of {} units; every layer needs at least 1",
                size);
  }
  if (options.shared_trunk && !options.value_hidden_sizes.empty()) {
    ThrowUser(
        "agent.shared_trunk and agent.value_hidden_sizes exclude each other: a shared trunk has "
        "the layers of agent.hidden_sizes");
  }
  if (options.log_std_min > options.log_std_max) {
    ThrowUser("agent.log_std_min is {}, above agent.log_std_max {}", options.log_std_min,
              options.log_std_max);
  }
  if (options.desired_kl > 0 && options.anneal_lr) {
    ThrowUser(
        "agent.desired_kl and agent.anneal_lr both set the step size: set agent.anneal_lr=false or "
        "agent.desired_kl=0");
  }
  if (options.min_lr > options.max_lr)
    ThrowUser("agent.min_lr is {}, above agent.max_lr {}", options.min_lr, options.max_lr);
  for (size_t a = 0; a < bounds.low.size(); ++a) {
    if (options.squash && !(std::isfinite(bounds.low[a]) && std::isfinite(bounds.high[a]))) {
      ThrowUser(
          "agent.squash=true needs finite action bounds, those of action {} are {} and {}: set "
          "agent.squash=false",
          a, bounds.low[a], bounds.high[a]);
    }
  }
  if (options.batch_size < 2)
    ThrowUser("agent.batch_size is {}: a minibatch needs at least 2 samples", options.batch_size);
  if (options.update_epochs < 1)
    ThrowUser("agent.update_epochs is {}: at least 1", options.update_epochs);
  if (options.gamma < 0 || options.gamma > 1)
    ThrowUser("agent.gamma is {}: it lies in [0, 1]", options.gamma);
  return std::make_unique<Ppo>(options, obs_dim, act_dim, rng, device, bounds);
}

}  // namespace v2r
