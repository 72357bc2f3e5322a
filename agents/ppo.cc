#include "agents/ppo.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "agents/diag_gaussian.h"
#include "agents/gae.h"
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

class Ppo : public Agent {
 public:
  Ppo(const PpoOptions& options, int64_t obs_dim, int64_t act_dim, Rng& rng,
      const torch::Device& device)
      : options_(options),
        network_({.obs_dim = obs_dim,
                  .act_dim = act_dim,
                  .hidden_sizes = options.hidden_sizes,
                  .activation = options.activation,
                  .log_std_init = options.log_std_init},
                 rng, device),
        learner_(network_, {.loss = {.clip_coef = options.clip_coef,
                                     .clip_vloss = options.clip_vloss,
                                     .norm_adv = options.norm_adv,
                                     .ent_coef = options.ent_coef,
                                     .vf_coef = options.vf_coef},
                            .batch_size = options.batch_size,
                            .max_grad_norm = options.max_grad_norm,
                            .adam_eps = options.adam_eps,
                            .target_kl = options.target_kl}),
        obs_normalizer_(obs_dim, options.clip_obs) {}

  void Act(std::span<const float> obs, ActMode mode, Rng& rng, std::span<float> actions,
           std::span<float> log_probs, std::span<float> values) override;
  Metrics Update(const Rollout& rollout, double progress, Rng& rng) override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;

 private:
  void Normalize(std::span<const float> obs, std::span<float> out) const;
  std::vector<float> NormalizedRewards(const Rollout& rollout, Metrics& metrics);
  std::vector<float> NextValues(const Rollout& rollout, std::span<const float> values) const;
  PpoSamples MakeSamples(const Rollout& rollout, Metrics& metrics);

  const PpoOptions options_;
  PolicyNetwork network_;
  PpoLearner learner_;
  ObsNormalizer obs_normalizer_;
  std::optional<RewardNormalizer>
      reward_normalizer_;  // made by the first rollout, which says how many environments there are
  // Of Act, for one number of environments.
  torch::Tensor act_input_;  // CPU [N,O]
  PolicyNetwork::Buffers act_buffers_;
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

  if (!act_input_.defined() || act_input_.size(0) != static_cast<int64_t>(n)) {
    act_input_ = torch::empty({static_cast<int64_t>(n), network_.obs_dim()});
    act_buffers_ = network_.MakeBuffers(static_cast<int64_t>(n));
  }
  const c10::InferenceMode inference;
  const SerialTorchScope serial(network_.IsSmall(static_cast<int64_t>(n)));
  if (mode == ActMode::kSample && options_.norm_obs) obs_normalizer_.Learn(obs);
  Normalize(obs, {act_input_.data_ptr<float>(), obs.size()});
  network_.Forward(act_input_.to(network_.device()), act_buffers_);
  const torch::Tensor mean_cpu = act_buffers_.mean().to(torch::kCPU);
  const torch::Tensor value_cpu = act_buffers_.value().to(torch::kCPU);
  const torch::Tensor log_std_cpu = network_.log_std().to(torch::kCPU);
  const auto mean = Floats(mean_cpu), log_std = Floats(log_std_cpu);
  for (size_t i = 0; i < n; ++i) {
    const auto row = mean.subspan(i * act_dim, act_dim);
    const auto action = actions.subspan(i * act_dim, act_dim);
    if (mode == ActMode::kSample) {
      GaussianSample(row, log_std, rng, action);
    } else {
      std::copy(row.begin(), row.end(), action.begin());
    }
    if (!log_probs.empty())
      log_probs[i] = static_cast<float>(GaussianLogProb(row, log_std, action));
    if (!values.empty()) values[i] = Floats(value_cpu)[i];
  }
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
  if (!reward_normalizer_) reward_normalizer_.emplace(rollout.N, options_.gamma);
  const auto terminated = Bytes(rollout.terminated);
  std::vector<float> step(n);
  for (size_t t = 0; t < static_cast<size_t>(rollout.T); ++t) {
    reward_normalizer_->Step(rewards.subspan(t * n, n), terminated.subspan(t * n, n), step);
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
  for (size_t j = 0; j < asked.size(); ++j) next_values[asked[j]] = Floats(found)[j];
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
  samples.log_probs = copy(rollout.log_probs);
  samples.obs.resize(static_cast<size_t>(rollout.obs.numel()));
  Normalize(Floats(rollout.obs), samples.obs);
  const int64_t size = rollout.T * rollout.N;
  samples.values = first ? copy(network_.Value(torch::from_blob(
                               samples.obs.data(), {size, network_.obs_dim()}, torch::kFloat32)))
                         : copy(rollout.values);

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
  double k1 = 0, k3 = 0;
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
  metrics["train/learning_rate"] = learning_rate;
  metrics["train/epochs"] = static_cast<double>(epochs);
  metrics["train/std"] = network_.log_std().exp().mean().item<double>();
  return metrics;
}

void Ppo::SaveState(StateDict& state) const {
  Merge(state, "network", ToStateDict(network_.named_parameters()));
  Merge(state, "adam", learner_.Save());
  if (options_.norm_obs) Merge(state, "obs_normalizer", obs_normalizer_.Save());
  if (reward_normalizer_) Merge(state, "reward_normalizer", reward_normalizer_->Save());
}

void Ppo::LoadState(const StateDict& state) {
  const std::string what = "the agent's checkpoint";
  network_.Load(ToTensors(Under(state, "network")), what);
  learner_.Load(Under(state, "adam"), what);
  if (options_.norm_obs) obs_normalizer_.Load(Under(state, "obs_normalizer"), what);
  reward_normalizer_.reset();
  const StateDict rewards = Under(state, "reward_normalizer");
  if (options_.norm_reward && !rewards.empty()) {
    reward_normalizer_.emplace(Require(rewards, "returns", what).numel(), options_.gamma);
    reward_normalizer_->Load(rewards, what);
  }
}

}  // namespace

std::unique_ptr<Agent> MakePpo(const PpoOptions& options, int64_t obs_dim, int64_t act_dim,
                               Rng& rng, const torch::Device& device) {
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
  if (options.batch_size < 2)
    ThrowUser("agent.batch_size is {}: a minibatch needs at least 2 samples", options.batch_size);
  if (options.update_epochs < 1)
    ThrowUser("agent.update_epochs is {}: at least 1", options.update_epochs);
  if (options.gamma < 0 || options.gamma > 1)
    ThrowUser("agent.gamma is {}: it lies in [0, 1]", options.gamma);
  return std::make_unique<Ppo>(options, obs_dim, act_dim, rng, device);
}

}  // namespace v2r
