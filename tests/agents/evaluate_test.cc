#include <map>

#include "agents/make.h"
#include "agents/runner.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(Evaluate, EveryEnvironmentContributesItsFirstEpisodes) {
  // Every second environment has episodes of half the length: it must not contribute more of them.
  PointEnv env({.num_envs = 4, .short_every = 2});
  int64_t steps = 0;
  const EvalResult result = Evaluate(env, nullptr, 10, 1, [&](const BatchView&) { ++steps; });
  EXPECT_EQ(result.episodes, 10);
  EXPECT_EQ(result.returns.size(), 10u);
  // 3 + 3 + 2 + 2 episodes of 5, 10, 5, 10 steps.
  EXPECT_DOUBLE_EQ(result.length_mean, (3 * 5 + 3 * 10 + 2 * 5 + 2 * 10) / 10.0);
  EXPECT_EQ(steps, 30);
}

TEST(Evaluate, SameSeedSameResult) {
  PointEnv env({.num_envs = 4});
  const auto a = Evaluate(env, nullptr, 12, 1), b = Evaluate(env, nullptr, 12, 1),
             c = Evaluate(env, nullptr, 12, 2);
  EXPECT_EQ(a.returns, b.returns);
  EXPECT_NE(a.returns, c.returns);
  double mean = 0;
  for (const double value : a.returns) mean += value / 12;
  EXPECT_NEAR(a.return_mean, mean, 1e-9);
  EXPECT_GT(a.return_std, 0);
  EXPECT_NEAR(a.reward_mean, a.return_mean, 1e-6);
}

// Rewards that come late are not asked for: the task's own stand in.
TEST(Evaluate, LateRewardsAreNotWaitedFor) {
  PointEnv env({.num_envs = 4, .deferred = true});
  const EvalResult result = Evaluate(env, nullptr, 8, 1);
  EXPECT_DOUBLE_EQ(result.reward_mean, result.return_mean);
}

TEST(Evaluate, UsesTheDeterministicPolicyAndLeavesTheAgentAlone) {
  PointEnv env({.num_envs = 4});
  Rng rng(1);
  auto agent = MakeAgent({}, 2, 1, rng, TestDevice());
  StateDict before, after;
  agent->SaveState(before);
  const auto a = Evaluate(env, agent.get(), 8, 1), b = Evaluate(env, agent.get(), 8, 1);
  agent->SaveState(after);
  EXPECT_EQ(a.returns, b.returns);
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, blob] : before) EXPECT_EQ(after.at(name).bytes, blob.bytes) << name;
  EXPECT_NE(a.returns, Evaluate(env, nullptr, 8, 1).returns);
}

TEST(Evaluate, NoEpisodesIsAUserError) {
  PointEnv env({});
  EXPECT_THROW(Evaluate(env, nullptr, 0, 1), UserError);
}

}  // namespace
}  // namespace v2r
