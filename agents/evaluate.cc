#include <algorithm>
#include <cmath>

#include "agents/runner.h"
#include "core/error.h"
#include "core/interrupt.h"

namespace v2r {
namespace {

void UniformActions(const VectorEnvSpec& spec, Rng& rng, std::span<float> actions) {
  const auto act_dim = static_cast<size_t>(spec.act_dim);
  for (size_t k = 0; k < actions.size(); ++k) {
    const double low = spec.act_low[k % act_dim], high = spec.act_high[k % act_dim];
    actions[k] = static_cast<float>(rng.Uniform(low, high));
  }
}

// An environment's episodes so far.
struct Tally {
  int64_t wanted = 0;
  double env_reward = 0, reward = 0, length = 0;  // of the running episode
  std::vector<double> returns, rewards, lengths, successes;
  bool done() const { return static_cast<int64_t>(returns.size()) >= wanted; }
};

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

EvalResult Summarize(const std::vector<Tally>& tallies) {
  EvalResult result;
  std::vector<double> rewards, lengths, successes;
  // Episode k of every environment before episode k+1 of any: the order does not depend on how long
  // they were.
  const int64_t rounds = tallies.front().wanted;
  for (int64_t k = 0; k < rounds; ++k) {
    for (const Tally& tally : tallies) {
      if (k >= tally.wanted) continue;
      const auto j = static_cast<size_t>(k);
      result.returns.push_back(tally.returns[j]);
      rewards.push_back(tally.rewards[j]);
      lengths.push_back(tally.lengths[j]);
      successes.push_back(tally.successes[j]);
    }
  }
  result.episodes = static_cast<int64_t>(result.returns.size());
  result.return_mean = Mean(result.returns);
  result.reward_mean = Mean(rewards);
  result.length_mean = Mean(lengths);
  result.success_rate = Mean(successes);
  double squares = 0;
  for (const double value : result.returns) squares += std::pow(value - result.return_mean, 2);
  result.return_std = std::sqrt(squares / static_cast<double>(result.episodes));
  return result;
}

}  // namespace

EvalResult Evaluate(VectorEnv& env, Agent* agent, int64_t episodes, uint64_t seed,
                    const EvalStepHook& hook) {
  if (episodes < 1) ThrowUser("an evaluation needs at least 1 episode, asked for {}", episodes);
  const VectorEnvSpec spec = env.Spec();
  const auto n = static_cast<size_t>(spec.num_envs);
  std::vector<Tally> tallies(n);
  for (size_t i = 0; i < n; ++i) {
    tallies[i].wanted =
        episodes / spec.num_envs + (static_cast<int64_t>(i) < episodes % spec.num_envs ? 1 : 0);
  }
  Rng rng = Rng(seed).Fork("evaluation");
  std::vector<float> obs, actions(n * static_cast<size_t>(spec.act_dim));
  const BatchView first = env.Reset(seed);
  obs.assign(first.obs.begin(), first.obs.end());
  while (!std::all_of(tallies.begin(), tallies.end(),
                      [](const Tally& tally) { return tally.done(); })) {
    PollInterrupt();
    if (agent != nullptr) {
      agent->Act(obs, ActMode::kDeterministic, rng, actions, {}, {});
    } else {
      UniformActions(spec, rng, actions);
    }
    const BatchView batch = env.Step(actions);
    for (size_t i = 0; i < n; ++i) {
      Tally& tally = tallies[i];
      if (tally.done()) continue;
      tally.env_reward += batch.env_reward[i];
      tally.reward += spec.deferred_rewards ? batch.env_reward[i] : batch.reward[i];
      tally.length += 1;
      if (!batch.terminated[i] && !batch.truncated[i]) continue;
      tally.returns.push_back(tally.env_reward);
      tally.rewards.push_back(tally.reward);
      tally.lengths.push_back(tally.length);
      tally.successes.push_back(batch.success[i] ? 1.0 : 0.0);
      tally.env_reward = tally.reward = tally.length = 0;
    }
    if (hook) hook(batch);
    obs.assign(batch.obs.begin(), batch.obs.end());
  }
  return Summarize(tallies);
}

}  // namespace v2r
