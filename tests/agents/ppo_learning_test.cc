// PPO learns: a point on a line goes to its goal.
#include "agents/make.h"
#include "agents/runner.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

void ExpectLearns(bool deferred, const AgentOptions& options) {
  const PointEnvOptions env_options{.num_envs = 16, .max_episode_steps = 12, .deferred = deferred};
  PointEnv env(env_options), test_env(env_options);
  Rng rng(1);
  auto agent = MakeAgent(options, 2, 1, rng, TestDevice());
  const EvalResult random = Evaluate(test_env, nullptr, 64, 5);
  Runner runner(env, *agent, {.total_timesteps = 16 * 12 * 60, .seed = 2}, {});
  runner.Run();
  const EvalResult trained = Evaluate(test_env, agent.get(), 64, 5);
  EXPECT_LT(random.success_rate, 0.4);
  EXPECT_GT(trained.success_rate, 0.95);
  EXPECT_GT(trained.return_mean, 0.5 * random.return_mean);  // both are negative
}

TEST(PpoLearning, ReachesTheGoal) {
  AgentOptions options;
  options.ppo.batch_size = 64;
  ExpectLearns(false, options);
}

TEST(PpoLearning, ReachesTheGoalFromLateRewards) {
  AgentOptions options;
  options.ppo.batch_size = 64;
  ExpectLearns(true, options);
}

TEST(PpoLearning, ReachesTheGoalWithReluAndClippedValues) {
  AgentOptions options;
  options.ppo.batch_size = 64;
  options.ppo.activation = "relu";
  options.ppo.hidden_sizes = {32};
  options.ppo.clip_vloss = true;
  ExpectLearns(false, options);
}

}  // namespace
}  // namespace v2r
