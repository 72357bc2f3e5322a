// The loop between agent and environments: rollouts, updates, episode statistics, evaluation. It
// touches no file: app/ hands it callbacks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agents/agent.h"
#include "envs/vector_env.h"

namespace v2r {

struct RunnerOptions {
  int64_t total_timesteps = 0;  // environment steps, rounded up to whole rollouts
  int64_t num_steps = 0;        // T; 0 = max_episode_steps of the env
  uint64_t seed = 0;
};

// Called after every update, at a rollout end; `step` = environment steps so far. Metric names as
// in core/metrics.h: rollout/ep_rew_mean (what the agent learned from), rollout/ep_true_rew_mean,
// rollout/ep_len_mean, rollout/success_rate (all over the last 100 episodes), train/*, reward/*,
// time/{fps,env,render,encode,update,policy} (seconds; fps since the start of this process).
struct RunnerCallbacks {
  std::function<void(int64_t step, const Metrics&)> on_iteration;
  // Return true to stop after this iteration (checkpoint first).
  std::function<bool(int64_t step)> should_stop;
};

class Runner {
 public:
  Runner(VectorEnv& env, Agent& agent, const RunnerOptions& options, RunnerCallbacks callbacks);
  ~Runner();
  // Runs from the present state to total_timesteps (or until should_stop). Throws what env and
  // agent throw, Interrupted on Ctrl-C (the state is then that of the last rollout end when
  // on_iteration returned).
  void Run();
  int64_t step() const;
  // Env, agent, RNG, statistics, step: everything a bit-exact continuation needs. Valid inside
  // on_iteration and outside Run().
  void SaveState(StateDict& state) const;
  void LoadState(const StateDict& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct EvalResult {
  int64_t episodes = 0;
  double return_mean = 0, return_std = 0;  // true return
  // Return of BatchView::reward where it is not deferred, else of env_reward.
  double reward_mean = 0;
  double success_rate = 0;  // success at the end of the episode
  double length_mean = 0;
  std::vector<double> returns;  // by episode
};
// Called after every evaluation step with the batch (recording).
using EvalStepHook = std::function<void(const BatchView&)>;

// `episodes` whole episodes with the deterministic policy (agent null: uniform random actions in
// the action bounds). Each env contributes its first episodes in order, so short episodes are not
// favoured. Same seed, same result for any number of threads.
EvalResult Evaluate(VectorEnv& env, Agent* agent, int64_t episodes, uint64_t seed,
                    const EvalStepHook& hook = {});

}  // namespace v2r
