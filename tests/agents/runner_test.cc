#include "agents/runner.h"

#include "agents/episode_stats.h"
#include "agents/make.h"
#include "core/interrupt.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

std::unique_ptr<Agent> MakePointAgent() {
  AgentOptions options;
  options.ppo.batch_size = 32;
  options.ppo.update_epochs = 3;
  Rng rng(1);
  return MakeAgent(options, 2, 1, rng, TestDevice());
}

Metrics WithoutTimes(const Metrics& metrics) {
  Metrics kept;
  for (const auto& [name, value] : metrics) {
    if (!name.starts_with("time/")) kept[name] = value;
  }
  return kept;
}

struct Outcome {
  std::vector<Metrics> metrics;
  std::vector<int64_t> steps;
  StateDict state;
};

// Trains until `stop` (0 = the end), starting from `from` when that is given.
Outcome Train(const PointEnvOptions& env_options, int64_t stop, const StateDict* from,
              int64_t num_steps = 0) {
  PointEnv env(env_options);
  auto agent = MakePointAgent();
  Outcome run;
  Runner runner(env, *agent, {.total_timesteps = 8 * 10 * 6, .num_steps = num_steps, .seed = 9},
                {.on_iteration =
                     [&](int64_t step, const Metrics& metrics) {
                       run.steps.push_back(step);
                       run.metrics.push_back(WithoutTimes(metrics));
                     },
                 .should_stop = [&](int64_t step) { return stop > 0 && step >= stop; }});
  if (from != nullptr) runner.LoadState(*from);
  runner.Run();
  runner.SaveState(run.state);
  return run;
}

class RunnerResume : public ::testing::TestWithParam<std::tuple<bool, int64_t>> {};

TEST_P(RunnerResume, StoppedAndContinuedEqualsStraight) {
  const auto [deferred, num_steps] = GetParam();
  const PointEnvOptions options{.num_envs = 8, .deferred = deferred, .wall = 1.2};
  const Outcome straight = Train(options, 0, nullptr, num_steps);
  const Outcome first = Train(options, 8 * 10 * 3, nullptr, num_steps);
  const Outcome second = Train(options, 0, &first.state, num_steps);
  std::vector<Metrics> joined = first.metrics;
  joined.insert(joined.end(), second.metrics.begin(), second.metrics.end());
  EXPECT_LT(first.metrics.size(), straight.metrics.size());
  EXPECT_EQ(joined, straight.metrics);
  ASSERT_EQ(second.state.size(), straight.state.size());
  for (const auto& [name, blob] : straight.state)
    EXPECT_EQ(second.state.at(name).bytes, blob.bytes) << name;
}

// Rollouts of a whole episode, and of 7 steps, which cut episodes.
INSTANTIATE_TEST_SUITE_P(Rewards, RunnerResume,
                         ::testing::Combine(::testing::Bool(), ::testing::Values(0, 7)));

TEST(Runner, CountsWholeRolloutsAndReportsTheNames) {
  const Outcome run = Train({.num_envs = 8, .deferred = true}, 0, nullptr, 7);
  EXPECT_EQ(run.steps.front(), 56);
  EXPECT_EQ(run.steps.back(), 9 * 56);  // the first multiple that is not below 480
  for (const char* name :
       {"rollout/ep_rew_mean", "rollout/ep_true_rew_mean", "rollout/ep_len_mean",
        "rollout/success_rate", "train/approx_kl", "train/explained_variance", "reward/scale"}) {
    EXPECT_TRUE(run.metrics.back().contains(name)) << name;
  }
  // No episode has ended after 7 of 10 steps.
  EXPECT_FALSE(run.metrics.front().contains("rollout/ep_rew_mean"));
  EXPECT_EQ(run.metrics.back().at("rollout/ep_len_mean"), 10);
  EXPECT_NE(run.metrics.back().at("rollout/ep_rew_mean"),
            run.metrics.back().at("rollout/ep_true_rew_mean"));
}

TEST(Runner, TimesAreReported) {
  PointEnv env({});
  auto agent = MakePointAgent();
  Metrics last;
  Runner runner(env, *agent, {.total_timesteps = 80},
                {.on_iteration = [&](int64_t, const Metrics& metrics) { last = metrics; }});
  runner.Run();
  for (const char* name : {"time/fps", "time/policy", "time/update"})
    EXPECT_GT(last.at(name), 0) << name;
  EXPECT_TRUE(last.contains("time/env"));
}

TEST(Runner, AnInterruptKeepsTheLastRolloutEnd) {
  PointEnv env({});
  auto agent = MakePointAgent();
  StateDict seen, after;
  Runner* self = nullptr;
  Runner runner(env, *agent, {.total_timesteps = 800},
                {.on_iteration = [&](int64_t, const Metrics&) {
                  self->SaveState(seen);
                  RequestInterrupt(true);
                }});
  self = &runner;
  EXPECT_THROW(runner.Run(), Interrupted);
  RequestInterrupt(false);
  EXPECT_EQ(runner.step(), 80);
  runner.SaveState(after);
  ASSERT_EQ(seen.size(), after.size());
  for (const auto& [name, blob] : seen) EXPECT_EQ(after.at(name).bytes, blob.bytes) << name;
}

TEST(Runner, AStateOfAnotherRunIsAUserError) {
  const Outcome run = Train({.num_envs = 8}, 0, nullptr);
  PointEnv env({.num_envs = 4});
  auto agent = MakePointAgent();
  Runner runner(env, *agent, {.total_timesteps = 800}, {});
  EXPECT_THROW(runner.LoadState(run.state), UserError);
  EXPECT_THROW(runner.LoadState({}), UserError);
}

TEST(Runner, NoTimeLimitNeedsNumSteps) {
  PointEnv env({.max_episode_steps = 0});
  auto agent = MakePointAgent();
  EXPECT_THROW(Runner(env, *agent, {.total_timesteps = 10}, {}), UserError);
}

TEST(EpisodeStats, AWindowOfEndedEpisodes) {
  EpisodeStats stats(2, 3);
  const std::vector<uint8_t> no = {0, 0}, first = {1, 0}, second = {0, 1};
  Metrics metrics;
  stats.Report(metrics);
  EXPECT_TRUE(metrics.empty());
  const std::vector<float> rewards = {1, 10};
  const std::vector<double> env_rewards = {2, 20};
  stats.AddStep(rewards, env_rewards, no, no, no);
  stats.AddStep(rewards, env_rewards, first, no, first);  // env 0 after 2 steps: 2, 4, success
  stats.AddStep(rewards, env_rewards, no, second, no);    // env 1 after 3 steps: 30, 60, none
  stats.Report(metrics);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/ep_rew_mean"), 16);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/ep_true_rew_mean"), 32);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/ep_len_mean"), 2.5);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/success_rate"), 0.5);
  // Two more push the first one out.
  stats.AddStep(rewards, env_rewards, first, second,
                second);  // env 0: 2 steps, 2, 4; env 1: 1 step, 10, 20, success
  stats.Report(metrics);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/ep_rew_mean"), 42.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("rollout/success_rate"), 1.0 / 3);
}

}  // namespace
}  // namespace v2r
