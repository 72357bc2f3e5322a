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

using testing::Assemble;
using testing::Options;
using testing::Rollout;
using testing::ScriptOptions;
using testing::Wander;

ScriptOptions Script(int64_t num_envs = 3) {
  ScriptOptions script;
  script.num_envs = num_envs;
  script.episode_steps = {4, 3, 5};
  script.start_noise = 0.5;
  return script;
}

// "name" or "name+classifier" or "name/form".
RewardOptions OptionsOf(const std::string& text) {
  const auto plus = text.find('+'), slash = text.find('/');
  auto options = Options(text.substr(0, std::min(plus, slash)));
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
  std::vector<std::string> variants = {"goal_distance/mixed"};
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
};

TEST_P(RewardConformance, DeferredEqualsImmediate) {
  if (online_) {  // learns from whole rollouts: refused
    options_.timing = "immediate";
    EXPECT_THROW(Assemble(options_, Script()), UserError);
    return;
  }
  for (const int64_t every : {1, 2}) {
    options_.every = every;
    options_.timing = "deferred";
    const auto deferred = Assemble(options_, Script());
    options_.timing = "immediate";
    const auto immediate = Assemble(options_, Script());
    deferred->Reset(3);
    immediate->Reset(3);
    for (int rollout = 0; rollout < 3; ++rollout) {
      Metrics a, b;
      const auto late = Rollout(*deferred, 5, Wander, &a), now = Rollout(*immediate, 5, Wander, &b);
      ASSERT_THAT(late, ::testing::Pointwise(::testing::FloatNear(1e-5), now));
      EXPECT_NEAR(a["reward/mean"], b["reward/mean"], 1e-6);
      EXPECT_NEAR(a["reward/std"], b["reward/std"], 1e-6);
    }
  }
}

TEST_P(RewardConformance, SameSeedSameBits) {
  std::vector<float> first;
  for (int run = 0; run < 2; ++run) {
    const auto env = Assemble(options_, Script());
    env->Reset(3);
    auto rewards = Rollout(*env, 6, Wander);
    const auto more = Rollout(*env, 6, Wander);
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
  const auto one = Assemble(options_, Script(1)), three = Assemble(options_, Script(3));
  one->Reset(3);
  three->Reset(3);
  const auto alone = Rollout(*one, 6, Wander);
  const auto crowd =
      Rollout(*three, 6, [](int64_t t, int64_t n) { return n == 0 ? Wander(t, n) : 0.1f; });
  // The classifier's fresh weights come before the reservoir's draws from one stream, so both runs
  // have the same.
  for (int64_t t = 0; t < 6; ++t) EXPECT_NEAR(alone[t], crowd[3 * t], 1e-6) << t;
}

// The number of steps that make a rollout does not change rewards.
TEST_P(RewardConformance, RolloutsMayCutEpisodes) {
  if (online_) options_.classifier.steps = 0;
  const auto whole = Assemble(options_, Script()), cut = Assemble(options_, Script());
  whole->Reset(3);
  cut->Reset(3);
  const auto expected = Rollout(*whole, 6, Wander);
  auto rewards = Rollout(*cut, 1, Wander);
  const auto rest = Rollout(*cut, 5, [](int64_t t, int64_t n) { return Wander(t + 1, n); });
  rewards.insert(rewards.end(), rest.begin(), rest.end());
  EXPECT_THAT(rewards, ::testing::Pointwise(::testing::FloatNear(1e-6), expected));
}

TEST_P(RewardConformance, ContinuesBitForBit) {
  const auto straight = Assemble(options_, Script());
  straight->Reset(3);
  Rollout(*straight, 6, Wander);
  StateDict state;
  straight->SaveState(state);
  Metrics expected_metrics, metrics;
  auto expected = Rollout(*straight, 6, Wander, &expected_metrics);
  const auto more = Rollout(*straight, 5, Wander);
  expected.insert(expected.end(), more.begin(), more.end());

  // Other demonstrations and another seed: all that matters comes from the checkpoint.
  ClipSet others;
  others.clips = {testing::GreyClip("good", {30, 60, 90})};
  const auto resumed = Assemble(options_, Script(), testing::GreyEncoder(), others, /*seed=*/99);
  resumed->LoadState(state);
  auto rewards = Rollout(*resumed, 6, Wander, &metrics);
  const auto last = Rollout(*resumed, 5, Wander);
  rewards.insert(rewards.end(), last.begin(), last.end());
  EXPECT_EQ(rewards, expected);
  EXPECT_EQ(metrics, expected_metrics);
}

TEST_P(RewardConformance, ScaleMultiplies) {
  options_.classifier.weight = 0;
  const auto plain = Assemble(options_, Script());
  options_.scale = 2.5;
  const auto scaled = Assemble(options_, Script());
  plain->Reset(3);
  scaled->Reset(3);
  auto expected = Rollout(*plain, 6, Wander);
  for (float& reward : expected) reward *= 2.5f;
  EXPECT_THAT(Rollout(*scaled, 6, Wander),
              ::testing::Pointwise(::testing::FloatNear(1e-5), expected));
}

TEST_P(RewardConformance, HasADocLine) { EXPECT_FALSE(RewardDoc(options_.name).empty()); }

INSTANTIATE_TEST_SUITE_P(Rewards, RewardConformance, ::testing::ValuesIn(Variants()),
                         [](const auto& info) {
                           auto name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '+' || c == '/'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace v2r
