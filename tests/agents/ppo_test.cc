// Properties of PPO's update: the bootstrap, the normalisers, every option.
#include "agents/ppo.h"

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "agents/gae.h"
#include "agents/ppo_loss.h"
#include "agents/runner.h"
#include "core/torch_rng.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

constexpr int64_t kObs = 3, kSteps = 4, kEnvs = 2;

std::unique_ptr<Agent> Make(const PpoOptions& options) {
  Rng rng(11);
  return MakePpo(options, kObs, 1, rng, TestDevice());
}

std::span<float> Floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

std::vector<float> Values(Agent& agent, const torch::Tensor& obs) {
  const auto rows = obs.contiguous().view({-1, kObs});
  Rng rng;
  std::vector<float> actions(static_cast<size_t>(rows.size(0))), values(actions.size());
  agent.Act(Floats(rows), ActMode::kDeterministic, rng, actions, {}, values);
  return values;
}

Rollout MakeRollout(Agent& agent) {
  Rng rng(4);
  Rollout r;
  r.T = kSteps;
  r.N = kEnvs;
  r.obs = RandomNormal(rng, {kSteps, kEnvs, kObs});
  r.next_obs = RandomNormal(rng, {kSteps, kEnvs, kObs});
  r.actions = RandomNormal(rng, {kSteps, kEnvs, 1});
  r.log_probs = torch::full({kSteps, kEnvs}, -1.0f);
  r.values = torch::tensor(Values(agent, r.obs)).view({kSteps, kEnvs});
  r.rewards = RandomNormal(rng, {kSteps, kEnvs});
  r.terminated = torch::zeros({kSteps, kEnvs}, torch::kUInt8);
  r.truncated = torch::zeros({kSteps, kEnvs}, torch::kUInt8);
  r.truncated[1][0] = 1;
  r.terminated[2][1] = 1;
  return r;
}

PpoOptions Raw() {
  PpoOptions options;
  options.norm_obs = options.norm_reward = false;
  options.batch_size = 4;
  options.update_epochs = 1;
  return options;
}

TEST(Ppo, BootstrapsWithTheValueOfTheObservationBeforeTheReset) {
  const PpoOptions options = Raw();
  auto agent = Make(options);
  const Rollout rollout = MakeRollout(*agent);
  // V(s_{t+1}): the next row's, but at the truncation (t=1, env 0) and at the end what the critic
  // says of next_obs.
  const auto next = Values(*agent, rollout.next_obs);
  const auto values = Floats(rollout.values);
  std::vector<float> next_values(kSteps * kEnvs), advantages(kSteps * kEnvs),
      returns(kSteps * kEnvs);
  for (size_t k = 0; k < next_values.size(); ++k) {
    next_values[k] = k == 2 || k >= 6 ? next[k] : values[k + 2];
  }
  ComputeGae({.T = kSteps,
              .N = kEnvs,
              .rewards = Floats(rollout.rewards),
              .values = values,
              .next_values = next_values,
              .terminated = {rollout.terminated.data_ptr<uint8_t>(), 8},
              .truncated = {rollout.truncated.data_ptr<uint8_t>(), 8},
              .gamma = options.gamma,
              .gae_lambda = options.gae_lambda},
             advantages, returns);
  Rng rng(1);
  const Metrics metrics = agent->Update(rollout, 0.0, rng);
  EXPECT_NEAR(metrics.at("train/explained_variance"), ExplainedVariance(values, returns), 1e-6);
}

// What next_obs holds matters where an episode was truncated and at the rollout's end, nowhere
// else.
TEST(Ppo, LooksAtNextObservationsOnlyWhereTheyCount) {
  const auto result = [](int64_t t, int64_t i, float value) {
    auto agent = Make(Raw());
    const Rollout rollout = MakeRollout(*agent);
    if (t >= 0) rollout.next_obs[t][i].fill_(value);
    Rng rng(1);
    agent->Update(rollout, 0.0, rng);
    StateDict state;
    agent->SaveState(state);
    return state.at("network.critic.0.weight").bytes;
  };
  const auto plain = result(-1, 0, 0);
  EXPECT_NE(result(1, 0, 5), plain);  // truncated
  EXPECT_NE(result(3, 1, 5), plain);  // end of the rollout
  EXPECT_EQ(result(0, 0, 5), plain);  // the episode goes on
  EXPECT_EQ(result(2, 1, 5), plain);  // terminated
  EXPECT_THROW(result(1, 0, std::nanf("")), UserError);
}

TEST(Ppo, FirstMinibatchStartsFromThePolicyThatActed) {
  PpoOptions options;
  options.update_epochs = 1;
  options.batch_size = 1000;
  PointEnv env({.num_envs = 8});
  Rng rng(1);
  auto agent = MakePpo(options, 2, 1, rng, TestDevice());
  std::vector<double> kl;
  Runner runner(
      env, *agent, {.total_timesteps = 8 * 10 * 3},
      {.on_iteration = [&](int64_t, const Metrics& m) { kl.push_back(m.at("train/approx_kl")); }});
  runner.Run();
  ASSERT_EQ(kl.size(), 3u);
  // The first rollout was acted on without statistics: nearly equal. After that exactly, but for
  // float32.
  EXPECT_NEAR(kl[0], 0.0, 1e-2);
  EXPECT_NEAR(kl[1], 0.0, 1e-9 * ToleranceScale());
  EXPECT_NEAR(kl[2], 0.0, 1e-9 * ToleranceScale());
}

TEST(Ppo, ScaleOfRewardsDoesNotMatterWhenNormalised) {
  const auto loss = [](double scale, bool norm_reward) {
    PpoOptions options = Raw();
    options.norm_reward = norm_reward;
    auto agent = Make(options);
    const Rollout rollout = MakeRollout(*agent);
    rollout.rewards.mul_(scale);
    Rng rng(1);
    return agent->Update(rollout, 0.0, rng).at("train/value_loss");
  };
  EXPECT_NEAR(loss(1, true), loss(100, true), 1e-4);
  EXPECT_GT(std::abs(loss(1, false) - loss(100, false)), 1.0);
}

TEST(Ppo, AnnealsToTheShareThatIsLeft) {
  auto agent = Make(Raw());
  Rng rng(1);
  const Rollout rollout = MakeRollout(*agent);
  EXPECT_DOUBLE_EQ(agent->Update(rollout, 0.0, rng).at("train/learning_rate"), 1e-3);
  EXPECT_DOUBLE_EQ(agent->Update(rollout, 0.75, rng).at("train/learning_rate"), 0.25e-3);
}

TEST(Ppo, TargetKlStopsBeforeTheStep) {
  PpoOptions options = Raw();
  options.target_kl = 1e-9;
  options.update_epochs = 5;
  auto agent = Make(options);
  StateDict before, after;
  agent->SaveState(before);
  Rng rng(1);
  const Metrics metrics =
      agent->Update(MakeRollout(*agent), 0.0, rng);  // log-probs are made up: far from the policy
  agent->SaveState(after);
  EXPECT_EQ(metrics.at("train/epochs"), 1);
  EXPECT_EQ(before.at("network.critic.0.weight").bytes, after.at("network.critic.0.weight").bytes);
}

TEST(Ppo, ADivergedGradientIsAUserError) {
  PpoOptions options = Raw();
  options.learning_rate = 1e30;
  options.update_epochs = 10;
  auto agent = Make(options);
  Rng rng(1);
  EXPECT_THROW(agent->Update(MakeRollout(*agent), 0.0, rng), UserError);
}

TEST(Ppo, OptionsThatDoNotFitAreUserErrors) {
  Rng rng;
  PpoOptions options;
  options.hidden_sizes = {};
  EXPECT_THROW(MakePpo(options, 2, 1, rng, torch::kCPU), UserError);
  options.hidden_sizes = {64, 0};
  EXPECT_THROW(MakePpo(options, 2, 1, rng, torch::kCPU), UserError);
  options = {};
  options.activation = "gelu";
  EXPECT_THROW(MakePpo(options, 2, 1, rng, torch::kCPU), UserError);
  EXPECT_THROW(MakePpo({}, 0, 1, rng, torch::kCPU), UserError);
}

TEST(Ppo, ResultsDoNotDependOnTheNumberOfTorchThreads) {
  const auto train = [](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    PpoOptions options;
    options.batch_size = 512;
    PointEnv env({.num_envs = 64});
    Rng rng(1);
    auto agent = MakePpo(options, 2, 1, rng, torch::kCPU);
    Runner(env, *agent, {.total_timesteps = 2 * 640}, {}).Run();
    EXPECT_EQ(at::get_num_threads(), threads);  // and the setting is left alone
    at::set_num_threads(before);
    StateDict state;
    agent->SaveState(state);
    return state;
  };
  const StateDict one = train(1), two = train(2);
  for (const auto& [name, blob] : one) EXPECT_EQ(two.at(name).bytes, blob.bytes) << name;
}

// Two rollouts on the point; the state and the metrics that come out.
std::pair<StateDict, Metrics> Train(const PpoOptions& options) {
  PointEnv env({.num_envs = 6, .max_episode_steps = 8});
  Rng rng(1);
  auto agent = MakePpo(options, 2, 1, rng, TestDevice());
  Metrics last;
  Runner runner(env, *agent,
                {.total_timesteps = 6 * 8 * 3, .num_steps = options.num_steps, .seed = 3},
                {.on_iteration = [&](int64_t, const Metrics& metrics) { last = metrics; }});
  runner.Run();
  StateDict state;
  agent->SaveState(state);
  return {state, last};
}

TEST(Ppo, EveryOptionChangesSomething) {
  PpoOptions base;
  base.learning_rate = 1e-2;
  base.batch_size = 16;
  base.max_grad_norm = 0.5;
  const std::map<std::string, std::function<void(PpoOptions&)>> changes = {
      {"learning_rate", [](PpoOptions& o) { o.learning_rate = 2e-2; }},
      {"anneal_lr", [](PpoOptions& o) { o.anneal_lr = false; }},
      {"num_steps", [](PpoOptions& o) { o.num_steps = 12; }},
      {"gamma", [](PpoOptions& o) { o.gamma = 0.9; }},
      {"gae_lambda", [](PpoOptions& o) { o.gae_lambda = 0.5; }},
      {"batch_size", [](PpoOptions& o) { o.batch_size = 24; }},
      {"update_epochs", [](PpoOptions& o) { o.update_epochs = 3; }},
      {"clip_coef", [](PpoOptions& o) { o.clip_coef = 0.05; }},
      {"clip_vloss", [](PpoOptions& o) { o.clip_vloss = true; }},
      {"norm_adv", [](PpoOptions& o) { o.norm_adv = false; }},
      {"ent_coef", [](PpoOptions& o) { o.ent_coef = 0.1; }},
      {"vf_coef", [](PpoOptions& o) { o.vf_coef = 1.0; }},
      {"max_grad_norm", [](PpoOptions& o) { o.max_grad_norm = 0.0; }},
      {"target_kl", [](PpoOptions& o) { o.target_kl = 1e-4; }},
      {"adam_eps", [](PpoOptions& o) { o.adam_eps = 1e-2; }},
      {"log_std_init", [](PpoOptions& o) { o.log_std_init = 0.0; }},
      {"log_std_min", [](PpoOptions& o) { o.log_std_min = -0.3; }},
      {"log_std_max", [](PpoOptions& o) { o.log_std_max = -0.7; }},
      {"state_dependent_std", [](PpoOptions& o) { o.state_dependent_std = true; }},
      {"squash", [](PpoOptions& o) { o.squash = true; }},
      {"bounds_loss_coef", [](PpoOptions& o) { o.bounds_loss_coef = 1.0; }},
      {"desired_kl", [](PpoOptions& o) { o.desired_kl = 0.02; }},
      {"min_lr", [](PpoOptions& o) { o.min_lr = 1e-2; }},
      {"max_lr", [](PpoOptions& o) { o.max_lr = 1.1e-2; }},
      {"ortho_init", [](PpoOptions& o) { o.ortho_init = false; }},
      {"value_hidden_sizes", [](PpoOptions& o) { o.value_hidden_sizes = {32}; }},
      {"shared_trunk", [](PpoOptions& o) { o.shared_trunk = true; }},
      {"fused", [](PpoOptions& o) { o.fused = false; }},
      {"norm_reward_rule", [](PpoOptions& o) { o.norm_reward_rule = "sb3"; }},
      {"norm_value", [](PpoOptions& o) { o.norm_value = true; }},
      {"hidden_sizes", [](PpoOptions& o) { o.hidden_sizes = {64}; }},
      {"activation", [](PpoOptions& o) { o.activation = "relu"; }},
      {"norm_obs", [](PpoOptions& o) { o.norm_obs = false; }},
      {"norm_reward", [](PpoOptions& o) { o.norm_reward = false; }},
      {"clip_obs", [](PpoOptions& o) { o.clip_obs = 0.5; }},
      {"clip_reward", [](PpoOptions& o) { o.clip_reward = 0.1; }},
  };
  // What a key needs before it matters.
  const std::map<std::string, std::function<void(PpoOptions&)>> conditions = {
      {"bounds_loss_coef",
       [](PpoOptions& o) {
         o.log_std_init = 2.0;
         o.learning_rate = 0.1;
       }},
      {"desired_kl", [](PpoOptions& o) { o.anneal_lr = false; }},
      {"min_lr",
       [](PpoOptions& o) {
         o.anneal_lr = false;
         o.desired_kl = 1e-6;
       }},
      {"max_lr",
       [](PpoOptions& o) {
         o.anneal_lr = false;
         o.desired_kl = 10.0;
       }},
  };
  const auto weights = [](const StateDict& s) {
    std::vector<std::byte> bytes;
    for (const auto& [name, blob] : s) {
      const auto part = std::as_bytes(std::span(blob.bytes));
      if (name.starts_with("network.")) bytes.insert(bytes.end(), part.begin(), part.end());
    }
    return bytes;
  };
  EXPECT_EQ(weights(Train(base).first), weights(Train(base).first));  // and nothing else does
  for (const FieldDoc& field : Describe<PpoOptions>()) {
    ASSERT_TRUE(changes.contains(field.path)) << field.path;
    PpoOptions plain = base;
    if (conditions.contains(field.path)) conditions.at(field.path)(plain);
    PpoOptions changed = plain;
    changes.at(field.path)(changed);
    EXPECT_NE(weights(Train(changed).first), weights(Train(plain).first)) << field.path;
  }
}

}  // namespace
}  // namespace v2r
