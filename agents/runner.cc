#include "agents/runner.h"

#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "agents/episode_stats.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/interrupt.h"

namespace v2r {
namespace {

template <typename T>
std::span<T> RowOf(const torch::Tensor& tensor, int64_t t) {
  const int64_t size = tensor.numel() / tensor.size(0);
  return {tensor.data_ptr<T>() + t * size, static_cast<size_t>(size)};
}

template <typename T>
std::span<T> RowOf(std::vector<T>& values, int64_t t, int64_t n) {
  return std::span<T>(values).subspan(static_cast<size_t>(t * n), static_cast<size_t>(n));
}

template <typename T>
void Copy(std::span<const T> from, std::span<T> to) {
  V2R_CHECK_EQ(from.size(), to.size());
  std::copy(from.begin(), from.end(), to.begin());
}

Rollout MakeRollout(int64_t T, const VectorEnvSpec& spec) {
  const int64_t N = spec.num_envs;
  Rollout rollout;
  rollout.T = T;
  rollout.N = N;
  rollout.obs = torch::zeros({T, N, spec.obs_dim});
  rollout.next_obs = torch::zeros({T, N, spec.obs_dim});
  rollout.actions = torch::zeros({T, N, spec.act_dim});
  for (torch::Tensor* column : {&rollout.log_probs, &rollout.values, &rollout.rewards})
    *column = torch::zeros({T, N});
  for (torch::Tensor* flags : {&rollout.terminated, &rollout.truncated})
    *flags = torch::zeros({T, N}, torch::kUInt8);
  return rollout;
}

}  // namespace

struct Runner::Impl {
  Impl(VectorEnv& env_in, Agent& agent_in, const RunnerOptions& options_in,
       RunnerCallbacks callbacks_in)
      : env(env_in),
        agent(agent_in),
        options(options_in),
        callbacks(std::move(callbacks_in)),
        spec(env.Spec()),
        N(spec.num_envs),
        T(options.num_steps > 0 ? options.num_steps : spec.max_episode_steps),
        rng(Rng(options.seed).Fork("agent")),
        stats(N) {
    if (T < 1) {
      ThrowUser(
          "environment {} has no time limit, so a rollout of one episode has no length: set "
          "agent.num_steps",
          spec.name);
    }
    rollout = MakeRollout(T, spec);
    env_rewards.resize(static_cast<size_t>(T * N));
    success.resize(static_cast<size_t>(T * N));
    obs.resize(static_cast<size_t>(N * spec.obs_dim));
  }

  int64_t RolloutSteps() const { return T * N; }
  int64_t Iterations() const {
    return (options.total_timesteps + RolloutSteps() - 1) / RolloutSteps();
  }

  void Start() {
    Copy<float>(env.Reset(options.seed).obs, obs);
    started = true;
  }
  void Collect();
  void Iterate();

  VectorEnv& env;
  Agent& agent;
  RunnerOptions options;
  RunnerCallbacks callbacks;
  VectorEnvSpec spec;
  int64_t N, T;
  Rng rng;
  EpisodeStats stats;
  Rollout rollout;
  std::vector<double> env_rewards;  // [T,N]
  std::vector<uint8_t> success;     // [T,N]
  std::vector<float> obs;           // [N,O] what the policy acts on next
  int64_t step = 0;
  bool started = false;     // env has been reset, or loaded
  bool in_rollout = false;  // env and agent are between two rollout ends
  // Of this process.
  int64_t steps_here = 0;
  double seconds = 0, policy_seconds = 0, update_seconds = 0;
};

void Runner::Impl::Collect() {
  for (int64_t t = 0; t < T; ++t) {
    const auto actions = RowOf<float>(rollout.actions, t);
    Copy<float>(obs, RowOf<float>(rollout.obs, t));
    {
      const ScopedTimer timer(policy_seconds);
      try {
        agent.Act(obs, ActMode::kSample, rng, actions, RowOf<float>(rollout.log_probs, t),
                  RowOf<float>(rollout.values, t));
      } catch (const UserError& error) {
        ThrowUser("training step {}: {}", step + t * N, error.what());
      }
    }
    const BatchView batch = env.Step(actions);
    Copy(batch.next_obs, RowOf<float>(rollout.next_obs, t));
    Copy(batch.reward, RowOf<float>(rollout.rewards, t));
    Copy(batch.terminated, RowOf<uint8_t>(rollout.terminated, t));
    Copy(batch.truncated, RowOf<uint8_t>(rollout.truncated, t));
    Copy(batch.env_reward, RowOf(env_rewards, t, N));
    Copy(batch.success, RowOf(success, t, N));
    Copy<float>(batch.obs, obs);
  }
}

void Runner::Impl::Iterate() {
  const Stopwatch watch;
  in_rollout = true;
  Collect();
  Metrics metrics;
  env.FinishRollout({rollout.rewards.data_ptr<float>(), static_cast<size_t>(RolloutSteps())},
                    metrics);
  for (int64_t t = 0; t < T; ++t) {
    stats.AddStep(RowOf<float>(rollout.rewards, t), RowOf(env_rewards, t, N),
                  RowOf<uint8_t>(rollout.terminated, t), RowOf<uint8_t>(rollout.truncated, t),
                  RowOf(success, t, N));
  }
  {
    const ScopedTimer timer(update_seconds);
    const double progress =
        static_cast<double>(step) / static_cast<double>(Iterations() * RolloutSteps());
    for (const auto& [name, value] : agent.Update(rollout, std::min(progress, 1.0), rng))
      metrics[name] = value;
  }
  step += RolloutSteps();
  steps_here += RolloutSteps();
  in_rollout = false;
  seconds += watch.Seconds();

  stats.Report(metrics);
  for (const auto& [name, value] : env.Timings()) metrics[name] = value;
  metrics["time/policy"] = policy_seconds;
  metrics["time/update"] = update_seconds;
  metrics["time/fps"] = static_cast<double>(steps_here) / seconds;
  if (callbacks.on_iteration) callbacks.on_iteration(step, metrics);
}

Runner::Runner(VectorEnv& env, Agent& agent, const RunnerOptions& options,
               RunnerCallbacks callbacks)
    : impl_(std::make_unique<Impl>(env, agent, options, std::move(callbacks))) {}

Runner::~Runner() = default;

void Runner::Run() {
  if (!impl_->started) impl_->Start();
  while (impl_->step < impl_->options.total_timesteps) {
    impl_->Iterate();
    if (impl_->callbacks.should_stop && impl_->callbacks.should_stop(impl_->step)) return;
    PollInterrupt();
  }
}

int64_t Runner::step() const { return impl_->step; }

void Runner::SaveState(StateDict& state) const {
  const Impl& impl = *impl_;
  V2R_CHECK(!impl.in_rollout, "the runner's state can be saved at a rollout's end only");
  const Rng::State rng = impl.rng.Save();
  const int64_t words[] = {static_cast<int64_t>(rng.key), static_cast<int64_t>(rng.counter),
                           static_cast<int64_t>(rng.position)};
  state["runner.step"] = Blob::Scalar<int64_t>(impl.step);
  state["runner.rng"] = Blob::Of<int64_t>(words);
  state["runner.obs"] = Blob::Of<float>(impl.obs, {impl.N, impl.spec.obs_dim});
  state["runner.started"] = Blob::Scalar<uint8_t>(impl.started ? 1 : 0);
  Merge(state, "runner.stats", impl.stats.Save());
  StateDict env, agent;
  impl.agent.SaveState(agent);
  Merge(state, "agent", std::move(agent));
  // An environment that was never reset has no state yet.
  if (impl.started) impl.env.SaveState(env);
  Merge(state, "env", std::move(env));
}

void Runner::LoadState(const StateDict& state) {
  const std::string what = "the checkpoint";
  Impl& impl = *impl_;
  const auto words = Require(state, "runner.rng", what).as<int64_t>();
  const auto obs = Require(state, "runner.obs", what);
  if (words.size() != 3) ThrowUser("{}: runner.rng has {} words, not 3", what, words.size());
  impl.stats.Load(Under(state, "runner.stats"), what);
  if (obs.shape != std::vector<int64_t>{impl.N, impl.spec.obs_dim}) {
    ThrowUser(
        "{}: runner.obs is [{}], this run's environments give [{},{}]: the environment differs",
        what, fmt::join(obs.shape, ","), impl.N, impl.spec.obs_dim);
  }
  impl.agent.LoadState(Under(state, "agent"));
  impl.started = RequireScalar<uint8_t>(state, "runner.started", what) != 0;
  if (impl.started) impl.env.LoadState(Under(state, "env"));
  impl.rng.Load({static_cast<uint64_t>(words[0]), static_cast<uint64_t>(words[1]),
                 static_cast<uint64_t>(words[2])});
  Copy<float>(obs.as<float>(), impl.obs);
  impl.step = RequireScalar<int64_t>(state, "runner.step", what);
  impl.in_rollout = false;
}

}  // namespace v2r
