// What every reward must do, over the registry and with the online classifier on and off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/device.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

// Networks this small are slower on two threads than on one.
class OneThread : public ::testing::Environment {
 public:
  void SetUp() override { SetTorchThreads(1); }
};
const auto* const kOneThread = ::testing::AddGlobalTestEnvironment(new OneThread);

using testing::Options;
using testing::Rollout;
using testing::ScriptOptions;
using testing::Wander;

// Two demonstrations that differ a little.
std::unique_ptr<VectorEnv> AssembleVaried(const RewardOptions& options,
                                          const ScriptOptions& script) {
  ClipSet demos;
  demos.clips = {testing::GreyClip("good", {20, 40, 60, 80, 100}),
                 testing::GreyClip("good", {22, 41, 63, 84, 102})};
  return testing::Assemble(options, script, testing::GreyEncoder(), demos);
}

// "name" or "name+classifier" or "name/form" or "name^guard".
RewardOptions OptionsOf(const std::string& text) {
  const auto plus = text.find('+'), slash = text.find('/'), hat = text.find('^');
  auto options = Options(text.substr(0, std::min({plus, slash, hat})));
  if (hat != std::string::npos) {
    options.guard.clip = {10, 90};
    options.guard.monitor = true;
    options.guard.percentile = 90;
  }
  if (plus != std::string::npos) {
    options.classifier.weight = 0.1;
    options.classifier.steps = 3;
    options.classifier.batch_size = 8;
    options.classifier.reservoir_frames = 10;
    options.classifier.reservoir_rollouts = 2;
  }
  if (slash != std::string::npos) options.form = text.substr(slash + 1);
  return options;
}

std::vector<std::string> Variants() {
  std::vector<std::string> variants = {"goal_distance/mixed", "goal_distance^guard",
                                       "nearest_neighbour^guard"};
  for (const auto& name : RewardNames()) {
    variants.push_back(name);
    if (name != "true") variants.push_back(name + "+classifier");
  }
  return variants;
}

class RewardConformance : public ::testing::TestWithParam<std::string> {
 protected:
  RewardOptions options_ = OptionsOf(GetParam());
  bool online_ = options_.classifier.weight > 0;
  // Rewards of whole episodes: every rollout is made of whole ones.
  bool whole_ = options_.name == "optimal_transport";
  bool every_step_ = whole_ || options_.name == "potential" ||
                     options_.name == "nearest_neighbour" || options_.name == "tcn_tracking";

  ScriptOptions Script(int64_t num_envs = 3) const {
    ScriptOptions script;
    script.num_envs = num_envs;
    script.episode_steps = {4, 3, 5};
    if (whole_) script.episode_steps = {4, 2, 4};
    script.start_noise = 0.5;
    return script;
  }
  int64_t Steps(int64_t steps) const { return whole_ ? 8 : steps; }
};

TEST_P(RewardConformance, DeferredEqualsImmediate) {
  if (online_ || whole_) {  // learns from whole rollouts, rewards whole episodes: refused
    options_.timing = "immediate";
    EXPECT_THROW(AssembleVaried(options_, Script()), UserError);
    return;
  }
  for (const int64_t every : {1, 2}) {
    options_.every = every;
    if (every > 1 && every_step_) {
      EXPECT_THROW(AssembleVaried(options_, Script()), UserError);
      continue;
    }
    options_.timing = "deferred";
    const auto deferred = AssembleVaried(options_, Script());
    options_.timing = "immediate";
    const auto immediate = AssembleVaried(options_, Script());
    deferred->Reset(3);
    immediate->Reset(3);
    for (int rollout = 0; rollout < 3; ++rollout) {
      Metrics a, b;
      const auto late = Rollout(*deferred, Steps(5), Wander, &a),
                 now = Rollout(*immediate, Steps(5), Wander, &b);
      ASSERT_THAT(late, ::testing::Pointwise(::testing::FloatNear(1e-5), now));
      EXPECT_NEAR(a["reward/mean"], b["reward/mean"], 1e-6);
      EXPECT_NEAR(a["reward/std"], b["reward/std"], 1e-6);
    }
  }
}

// How many pictures are encoded together changes nothing.
TEST_P(RewardConformance, ChunksOfAnySize) {
  std::vector<float> first;
  for (const int64_t chunk : {1, 3, 7, 256}) {
    options_.chunk_size = chunk;
    const auto env = AssembleVaried(options_, Script());
    env->Reset(3);
    const auto rewards = Rollout(*env, Steps(6), Wander);
    if (first.empty()) first = rewards;
    EXPECT_THAT(rewards, ::testing::Pointwise(::testing::FloatNear(1e-5), first)) << chunk;
  }
}

TEST_P(RewardConformance, SameSeedSameBits) {
  std::vector<float> first;
  for (int run = 0; run < 2; ++run) {
    const auto env = AssembleVaried(options_, Script());
    env->Reset(3);
    auto rewards = Rollout(*env, Steps(6), Wander);
    const auto more = Rollout(*env, Steps(6), Wander);
    rewards.insert(rewards.end(), more.begin(), more.end());
    if (run == 0) first = rewards;
    EXPECT_EQ(rewards, first);
  }
  EXPECT_NE(*std::min_element(first.begin(), first.end()),
            *std::max_element(first.begin(), first.end()));
}

// The reward of env 0 does not change when the others do something else (or are not there). Online
// parts learn from everybody by their nature; without learning they too see only the picture.
TEST_P(RewardConformance, IndependentOfOtherEnvironments) {
  options_.classifier.steps = 0;
  options_.classifier.reservoir_frames = 1;
  const auto one = AssembleVaried(options_, Script(1)), three = AssembleVaried(options_, Script(3));
  one->Reset(3);
  three->Reset(3);
  const auto alone = Rollout(*one, Steps(6), Wander);
  const auto crowd =
      Rollout(*three, Steps(6), [](int64_t t, int64_t n) { return n == 0 ? Wander(t, n) : 0.1f; });
  // The classifier's fresh weights come before the reservoir's draws from one stream, so both runs
  // have the same.
  for (int64_t t = 0; t < Steps(6); ++t) EXPECT_NEAR(alone[t], crowd[3 * t], 1e-6) << t;
}

// The number of steps that make a rollout does not change rewards.
TEST_P(RewardConformance, RolloutsMayCutEpisodes) {
  if (online_) options_.classifier.steps = 0;
  const auto whole = AssembleVaried(options_, Script()), cut = AssembleVaried(options_, Script());
  whole->Reset(3);
  cut->Reset(3);
  const auto expected = Rollout(*whole, Steps(6), Wander);
  if (whole_) {
    EXPECT_THROW(Rollout(*cut, 1, Wander), UserError);
    return;
  }
  auto rewards = Rollout(*cut, 1, Wander);
  const auto rest = Rollout(*cut, Steps(5), [](int64_t t, int64_t n) { return Wander(t + 1, n); });
  rewards.insert(rewards.end(), rest.begin(), rest.end());
  EXPECT_THAT(rewards, ::testing::Pointwise(::testing::FloatNear(1e-6), expected));
}

TEST_P(RewardConformance, ContinuesBitForBit) {
  const auto straight = AssembleVaried(options_, Script());
  straight->Reset(3);
  Rollout(*straight, Steps(6), Wander);
  StateDict state;
  straight->SaveState(state);
  Metrics expected_metrics, metrics;
  auto expected = Rollout(*straight, Steps(6), Wander, &expected_metrics);
  const auto more = Rollout(*straight, Steps(5), Wander);
  expected.insert(expected.end(), more.begin(), more.end());

  // Other demonstrations and another seed: all that matters comes from the checkpoint.
  ClipSet others;
  others.clips = {testing::GreyClip("good", {30, 60, 90})};
  const auto resumed =
      testing::Assemble(options_, Script(), testing::GreyEncoder(), others, /*seed=*/99);
  resumed->LoadState(state);
  auto rewards = Rollout(*resumed, Steps(6), Wander, &metrics);
  const auto last = Rollout(*resumed, Steps(5), Wander);
  rewards.insert(rewards.end(), last.begin(), last.end());
  EXPECT_EQ(rewards, expected);
  EXPECT_EQ(metrics, expected_metrics);
}

TEST_P(RewardConformance, ScaleMultiplies) {
  options_.classifier.weight = 0;
  const auto plain = AssembleVaried(options_, Script());
  options_.scale = 2.5;
  const auto scaled = AssembleVaried(options_, Script());
  plain->Reset(3);
  scaled->Reset(3);
  auto expected = Rollout(*plain, Steps(6), Wander);
  for (float& reward : expected) reward *= 2.5f;
  EXPECT_THAT(Rollout(*scaled, Steps(6), Wander),
              ::testing::Pointwise(::testing::FloatNear(1e-5), expected));
}

TEST_P(RewardConformance, HasADocLine) { EXPECT_FALSE(RewardDoc(options_.name).empty()); }

INSTANTIATE_TEST_SUITE_P(Rewards, RewardConformance, ::testing::ValuesIn(Variants()),
                         [](const auto& info) {
                           auto name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '+' || c == '/' || c == '^'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace v2r
