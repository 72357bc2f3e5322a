// What the switches taken from other PPOs do, each as its source says.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "agents/diag_gaussian.h"
#include "agents/gaussian_head.h"
#include "agents/ppo.h"
#include "agents/runner.h"
#include "core/torch_rng.h"
#include "learn/running_stats.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

constexpr int64_t kObs = 3, kSteps = 24;

PpoOptions Plain() {
  PpoOptions options;
  options.norm_obs = options.norm_reward = options.anneal_lr = false;
  options.batch_size = 8;
  options.update_epochs = 2;
  return options;
}

std::unique_ptr<Agent> Make(const PpoOptions& options, const ActionBounds& bounds = {}) {
  Rng rng(11);
  return MakePpo(options, kObs, 1, rng, torch::kCPU, bounds);
}

std::span<float> Floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// One environment, acted on by the agent; truncated after steps 7 and 15, terminated after step 20.
Rollout MakeRollout(Agent& agent) {
  Rng rng(4);
  Rollout r;
  r.T = kSteps;
  r.N = 1;
  r.obs = RandomNormal(rng, {kSteps, 1, kObs});
  r.next_obs = RandomNormal(rng, {kSteps, 1, kObs});
  r.actions = torch::zeros({kSteps, 1, 1});
  r.log_probs = torch::zeros({kSteps, 1});
  r.values = torch::zeros({kSteps, 1});
  r.rewards = 1.0 + RandomUniform(rng, {kSteps, 1});
  r.terminated = torch::zeros({kSteps, 1}, torch::kUInt8);
  r.truncated = torch::zeros({kSteps, 1}, torch::kUInt8);
  r.truncated[7][0] = r.truncated[15][0] = 1;
  r.terminated[20][0] = 1;
  agent.Act(Floats(r.obs), ActMode::kSample, rng, Floats(r.actions), Floats(r.log_probs),
            Floats(r.values));
  return r;
}

StateDict StateOf(const Agent& agent) {
  StateDict state;
  agent.SaveState(state);
  return state;
}

TEST(KlAdaptiveRate, FollowsTheDivergenceWithinItsRange) {
  PpoOptions options = Plain();
  options.desired_kl = 100.0;  // never reached: every divergence above 0 raises the rate
  options.learning_rate = 1e-3;
  options.max_lr = 4e-3;
  auto rising = Make(options);
  Rng rng(1);
  // Six minibatches; the policy of the first is the old one, without divergence.
  EXPECT_NEAR(rising->Update(MakeRollout(*rising), 0.0, rng).at("train/learning_rate"), 4e-3,
              1e-12);
  options.desired_kl = 1e-12;
  options.learning_rate = 1e-2;
  options.min_lr = 1e-9;
  auto falling = Make(options);
  const Metrics metrics = falling->Update(MakeRollout(*falling), 0.0, rng);
  EXPECT_NEAR(metrics.at("train/learning_rate"), 1e-2 / std::pow(1.5, 5), 1e-9);
  EXPECT_GT(metrics.at("train/kl"), 0.0);
  // A checkpoint goes on where it was, not at the start.
  auto loaded = Make(options);
  loaded->LoadState(StateOf(*falling));
  Rng one(5), other(5);
  EXPECT_EQ(loaded->Update(MakeRollout(*loaded), 0.5, one),
            falling->Update(MakeRollout(*falling), 0.5, other));
}

TEST(KlAdaptiveRate, DivergenceOfNormals) {
  Rng rng(2);
  const auto was = RandomNormal(rng, {5, 4}), now = RandomNormal(rng, {5, 4});  // mean, log std
  GaussianHead head({.act_dim = 2, .state_dependent_std = true});
  const double kl = head.MeanKl(was.data_ptr<float>(), {},
                                {.rows = 5, .actor = now.data_ptr<float>(), .stride = 4});
  const auto old_mean = was.narrow(1, 0, 2), old_std = was.narrow(1, 2, 2).exp();
  const auto mean = now.narrow(1, 0, 2), std = now.narrow(1, 2, 2).exp();
  const auto expected = ((std / old_std).log() +
                         (old_std.square() + (old_mean - mean).square()) / (2 * std.square()) - 0.5)
                            .sum(1)
                            .mean();
  EXPECT_TRUE(IsClose(kl, expected.item<double>(), {.relative = 1e-5}));
}

TEST(NormReward, TheRulesDifferInWhatEndsAReturn) {
  for (const std::string rule : {"gymnasium", "sb3"}) {
    SCOPED_TRACE(rule);
    PpoOptions options = Plain();
    options.norm_reward = true;
    options.norm_reward_rule = rule;
    auto agent = Make(options);
    const Rollout rollout = MakeRollout(*agent);
    Rng rng(1);
    RunningMeanStd stats;
    double carried = 0;
    // Two rollouts: what the second begins with is part of the state.
    for (int k = 0; k < 2; ++k) {
      const Metrics metrics = agent->Update(rollout, 0.0, rng);
      for (int64_t t = 0; t < kSteps; ++t) {
        const bool terminated = t == 20, truncated = t == 7 || t == 15;
        if (rule == "gymnasium" && terminated) carried = 0;
        carried = carried * options.gamma + rollout.rewards[t][0].item<float>();
        stats.Update(std::span<const double>(&carried, 1));
        if (rule == "sb3" && (terminated || truncated)) carried = 0;
      }
      EXPECT_NEAR(metrics.at("train/return_std"), std::sqrt(stats.var()[0] + 1e-8), 1e-9);
      auto loaded = Make(options);
      loaded->LoadState(StateOf(*agent));
      agent = std::move(loaded);
    }
  }
}

TEST(NormValue, StatisticsAreThoseOfValuesAndReturnsAndActingUndoesThem) {
  PpoOptions options = Plain();
  options.norm_value = true;
  auto agent = Make(options);
  const Rollout rollout = MakeRollout(*agent);
  rollout.rewards.mul_(100);
  std::vector<float> actions(kSteps), outputs(kSteps), values(kSteps);
  Rng rng(1);
  agent->Act(Floats(rollout.obs), ActMode::kDeterministic, rng, actions, {}, outputs);
  agent->Update(rollout, 0.0, rng);
  // One batch of values, one of returns, on top of mean 0, variance 1 and count 1.
  StateDict state = StateOf(*agent);
  EXPECT_EQ(state.at("value_normalizer.count").as<double>()[0], 1.0 + 2 * kSteps);
  EXPECT_GT(state.at("value_normalizer.mean").as<double>()[0], 100.0);
  // The same network with other statistics.
  auto fresh = Make(options);
  StateDict other = StateOf(*fresh);
  other["value_normalizer.mean"] = Blob::Of<double>(std::vector<double>{5.0});
  other["value_normalizer.var"] = Blob::Of<double>(std::vector<double>{4.0});
  fresh->LoadState(other);
  fresh->Act(Floats(rollout.obs), ActMode::kDeterministic, rng, actions, {}, values);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(values[i], 5.0 + std::clamp(outputs[i], -5.0f, 5.0f) * std::sqrt(4.0 + 1e-5), 1e-4);
}

TEST(NormValue, TheLossDoesNotGrowWithTheRewards) {
  const auto loss = [](double scale) {
    PpoOptions options = Plain();
    options.norm_value = true;
    auto agent = Make(options);
    const Rollout rollout = MakeRollout(*agent);
    rollout.rewards.mul_(scale);
    Rng rng(1);
    return agent->Update(rollout, 0.0, rng).at("train/value_loss");
  };
  EXPECT_LT(loss(1000), 10 * loss(10));
}

TEST(Squash, ActionsStayInTheirBoundsAndTheDensityIsThatOfTanh) {
  PpoOptions options = Plain();
  options.squash = true;
  options.log_std_init = 0.5;
  auto agent = Make(options, {.low = {-1.0}, .high = {3.0}});
  const Rollout rollout = MakeRollout(*agent);
  const auto actions = Floats(rollout.actions);
  bool beyond_one = false;
  for (size_t i = 0; i < actions.size(); ++i) {
    EXPECT_GT(actions[i], -1.0f);
    EXPECT_LT(actions[i], 3.0f);
    beyond_one = beyond_one || actions[i] > 1.2f;
  }
  EXPECT_TRUE(beyond_one);
  // p(a) = N(u) / (1 - tanh(u)^2), u = atanh of the action in units of its bounds.
  std::vector<float> means(kSteps);
  Rng rng(1);
  agent->Act(Floats(rollout.obs), ActMode::kDeterministic, rng, means, {}, {});
  const float log_std = 0.5f;
  for (size_t i = 0; i < actions.size(); ++i) {
    const double unit = (actions[i] - 1.0) / 2.0;
    const auto u = static_cast<float>(std::atanh(unit));
    const auto mean = static_cast<float>(std::atanh((means[i] - 1.0) / 2.0));
    const double expected =
        GaussianLogProb({&mean, 1}, {&log_std, 1}, {&u, 1}) - std::log(1.0 - unit * unit);
    EXPECT_NEAR(Floats(rollout.log_probs)[i], expected, 2e-3);
  }
  // The update sees the policy that acted.
  options.update_epochs = 1;
  options.batch_size = 1000;
  auto same = Make(options, {.low = {-1.0}, .high = {3.0}});
  EXPECT_NEAR(same->Update(MakeRollout(*same), 0.0, rng).at("train/approx_kl"), 0.0, 1e-12);
  EXPECT_THROW(Make(options, {.low = {-1.0}, .high = {std::numeric_limits<double>::infinity()}}),
               UserError);
}

TEST(Switches, OnesThatDoNotFitAreUserErrors) {
  PpoOptions options = Plain();
  options.shared_trunk = true;
  options.value_hidden_sizes = {32};
  EXPECT_THROW(Make(options), UserError);
  options = Plain();
  options.log_std_min = 1;
  options.log_std_max = 0;
  EXPECT_THROW(Make(options), UserError);
  options = Plain();
  options.desired_kl = 0.01;
  options.anneal_lr = true;
  EXPECT_THROW(Make(options), UserError);
  options = Plain();
  options.min_lr = 1;
  EXPECT_THROW(Make(options), UserError);
}

// A checkpoint does not care which path wrote it.
TEST(Fused, AdamsStateGoesFromOnePathToTheOther) {
  PpoOptions fused = Plain(), torch = Plain();
  fused.learning_rate = torch.learning_rate = 1e-3;
  torch.fused = false;
  auto a = Make(fused), b = Make(torch);
  EXPECT_THAT(a->Describe(), ::testing::HasSubstr("fused passes"));
  EXPECT_THAT(b->Describe(), ::testing::HasSubstr("agent.fused is false"));
  Rng rng(1);
  const Rollout rollout = MakeRollout(*a);
  a->Update(rollout, 0.0, rng);
  b->LoadState(StateOf(*a));
  Rng one(2), other(2);
  EXPECT_EQ(a->Update(rollout, 0.0, one).at("train/fused"), 1);
  EXPECT_EQ(b->Update(rollout, 0.0, other).at("train/fused"), 0);
  const StateDict left = StateOf(*a), right = StateOf(*b);
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, blob] : left) {
    if (blob.dtype != DType::kF32) continue;
    const auto x = blob.as<float>(), y = right.at(name).as<float>();
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 2e-6) << name << " " << i;
  }
}

// A simulation that diverges: the point's observation becomes NaN at one step.
class DivergingEnv : public PointEnv {
 public:
  using PointEnv::PointEnv;
  BatchView StepWait() override {
    BatchView view = PointEnv::StepWait();
    obs_.assign(view.obs.begin(), view.obs.end());
    if (++steps_ == 13) obs_[2 * 5 + 1] = std::nanf("");
    view.obs = obs_;
    return view;
  }

 private:
  int64_t steps_ = 0;
  std::vector<float> obs_;
};

TEST(Diverged, AnObservationThatIsNotFiniteIsNamedWithItsStep) {
  DivergingEnv env({.num_envs = 8});
  Rng rng(1);
  auto agent = MakePpo({}, 2, 1, rng, torch::kCPU);
  Runner runner(env, *agent, {.total_timesteps = 800}, {});
  try {
    runner.Run();
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(),
                ::testing::AllOf(::testing::HasSubstr("training step 104"),
                                 ::testing::HasSubstr("environment 5"),
                                 ::testing::HasSubstr("element 1"), ::testing::HasSubstr("nan")));
  }
}

}  // namespace
}  // namespace v2r
