// r_t belongs to (s_t, a_t) and is computed from next_frame_t: every reward of a four-step episode
// by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "envs/counter_env.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::Assemble;
using ::testing::FloatNear;
using testing::Forward;
using testing::Options;
using ::testing::Pointwise;
using testing::Rollout;
using testing::ScriptOptions;

// d after the steps of an episode is .75 .5 .25 0; the picture before the first step has d = 1.
struct FormCase {
  const char* form;
  double gamma;
  std::vector<float> rewards;
};
void PrintTo(const FormCase& c, std::ostream* os) { *os << c.form << " gamma " << c.gamma; }

class RewardForm : public ::testing::TestWithParam<std::tuple<FormCase, std::string>> {};

TEST_P(RewardForm, EpisodeByHand) {
  const auto& [form, timing] = GetParam();
  auto options = Options("goal_distance");
  options.form = form.form;
  options.form_gamma = form.gamma;
  options.timing = timing;
  ScriptOptions script;
  script.num_envs = 2;
  const auto env = Assemble(options, script);
  env->Reset(1);
  const auto rewards = Rollout(*env, 8, Forward);  // two episodes of two environments
  ASSERT_EQ(rewards.size(), 16u);
  for (int64_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(rewards[i], form.rewards[(i / 2) % 4], 1e-5)
        << "step " << i / 2 << " env " << i % 2;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, RewardForm,
    ::testing::Combine(
        ::testing::Values(FormCase{"negative", 1, {-0.75f, -0.5f, -0.25f, 0}},
                          FormCase{"log", 1, {-2.1400662f, -1.7917595f, -1.2527630f, 0}},
                          FormCase{"exp", 1, {0.4723666f, 0.6065307f, 0.7788008f, 1}},
                          FormCase{"squared", 1, {-0.5625f, -0.25f, -0.0625f, 0}},
                          FormCase{"difference", 1, {0.25f, 0.25f, 0.25f, 0.25f}},
                          FormCase{"difference", 0.9, {0.325f, 0.3f, 0.275f, 0.25f}},
                          FormCase{"mixed", 1, {0.175f, 0.2f, 0.225f, 0.25f}}),
        ::testing::Values("deferred", "immediate")));

// Pictures of the counter env are (step, env, episode); the head's u is their mean, so r = (step +
// env + episode - 4) / 4 of the picture after the step: the terminal one has step 4, the one after
// the reset step 0 and the next episode.
TEST(RewardIndex, CounterEnvShowsTheStep) {
  for (const std::string timing : {"deferred", "immediate"}) {
    auto options = Options("ranking");
    options.timing = timing;
    ClipSet demos;
    demos.clips = {{"clip", "good", torch::zeros({5, 16, 16, 3}, torch::kUInt8), 25}};
    for (int64_t t = 0; t < 5; ++t) demos.clips[0].frames[t].select(-1, 0).fill_(t);
    const auto encoder = testing::GreyEncoder();
    auto reward = MakeRewardModel(options, encoder, torch::kCPU);
    reward->Calibrate(EmbedDemos(options, encoder.get(), demos));
    const auto env =
        MakeLearnedRewardEnv(MakeCounterEnv(2, 4, 16), encoder, std::move(reward), options, 1);
    env->Reset(1);
    const auto rewards = Rollout(*env, 10, Forward);
    for (int64_t t = 0; t < 10; ++t) {
      for (int64_t n = 0; n < 2; ++n) {
        const auto expected = static_cast<double>(t % 4 + 1 + n + t / 4 - 4) / 4;
        EXPECT_NEAR(rewards[2 * t + n], expected, 1e-3) << timing << " step " << t << " env " << n;
      }
    }
  }
}

TEST(RewardIndex, RankingEpisodeByHand) {
  const auto env = Assemble(Options("ranking"), {});
  env->Reset(1);
  EXPECT_THAT(Rollout(*env, 4, Forward), Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.25f, 0.0f}));
}

TEST(RewardIndex, TrueRewardIsTheTasks) {
  auto options = Options("true");
  options.scale = 0.5;
  const auto env = Assemble(options, {});
  env->Reset(1);
  EXPECT_THAT(Rollout(*env, 4, Forward), Pointwise(FloatNear(1e-6), {5.0f, 10.0f, 15.0f, 20.0f}));
}

// The picture is brought to 64x64, which mixes greys at the border of its halves and rounds them.
TEST(RewardIndex, PixelL2BringsItsOwnEncoder) {
  const auto env = Assemble(Options("pixel_l2"), {}, nullptr);
  env->Reset(1);
  EXPECT_THAT(Rollout(*env, 4, Forward), Pointwise(FloatNear(1e-3), {-0.75f, -0.5f, -0.25f, 0.0f}));
}

// A rollout that ends in the middle of an episode: the pair of the first step spans the border.
TEST(RewardIndex, PairSpansRollouts) {
  auto options = Options("goal_distance");
  options.form = "difference";
  options.form_gamma = 0.9;
  const auto env = Assemble(options, {});
  env->Reset(1);
  EXPECT_THAT(Rollout(*env, 3, Forward), Pointwise(FloatNear(1e-5), {0.325f, 0.3f, 0.275f}));
  EXPECT_THAT(Rollout(*env, 3, Forward), Pointwise(FloatNear(1e-5), {0.25f, 0.325f, 0.3f}));
  EXPECT_THAT(Rollout(*env, 2, Forward), Pointwise(FloatNear(1e-5), {0.275f, 0.25f}));
}

TEST(RewardIndex, ResetInsideARolloutStartsANewPair) {
  auto options = Options("goal_distance");
  options.form = "difference";
  options.form_gamma = 0.9;
  const auto env = Assemble(options, {});
  env->Reset(1);
  const std::vector<float> action = {1};
  env->Step(action);
  env->Step(action);
  env->Reset(2);
  env->Step(action);
  std::vector<float> rewards(3);
  Metrics metrics;
  env->FinishRollout(rewards, metrics);
  EXPECT_THAT(rewards, Pointwise(FloatNear(1e-5), {0.325f, 0.3f, 0.325f}));
}

TEST(RewardIndex, EveryHoldsTheSampledReward) {
  for (const std::string timing : {"deferred", "immediate"}) {
    auto options = Options("goal_distance");
    options.every = 3;
    options.timing = timing;
    ScriptOptions script;
    script.episode_steps = {5};
    const auto env = Assemble(options, script);
    env->Reset(1);
    // Greys 40 60 80 100 120, sampled at steps 1 and 4 of each episode; a rollout ends between
    // them.
    Metrics metrics;
    EXPECT_THAT(Rollout(*env, 2, Forward, &metrics), Pointwise(FloatNear(1e-5), {-0.75f, -0.75f}));
    EXPECT_EQ(metrics["reward/encoded_frames"], 1);
    EXPECT_THAT(Rollout(*env, 5, Forward),
                Pointwise(FloatNear(1e-5), {-0.75f, 0.0f, 0.0f, -0.75f, -0.75f}));
  }
}

TEST(RewardIndex, EveryWithAPairTakesTheStepsOwnPair) {
  auto options = Options("goal_distance");
  options.form = "difference";
  options.form_gamma = 0.9;
  options.every = 2;
  const auto env = Assemble(options, {});
  env->Reset(1);
  EXPECT_THAT(Rollout(*env, 3, Forward), Pointwise(FloatNear(1e-5), {0.325f, 0.325f, 0.275f}));
  EXPECT_THAT(Rollout(*env, 2, Forward), Pointwise(FloatNear(1e-5), {0.275f, 0.325f}));
}

// Goals 100, 110, 120 by episode; the demonstrations' own last frame sets the unit of 80 greys.
TEST(RewardIndex, GoalPictureOfTheStepsOwnEpisode) {
  auto options = Options("goal_distance");
  options.goal.kind = "env";
  ScriptOptions script;
  script.goal_frames = true;
  script.episode_steps = {2};
  const auto env = Assemble(options, script);
  env->Reset(1);
  Metrics metrics;
  const auto rewards = Rollout(*env, 5, Forward, &metrics);
  EXPECT_THAT(rewards, Pointwise(FloatNear(1e-5),
                                 {-60 / 80.f, -40 / 80.f, -70 / 80.f, -50 / 80.f, -80 / 80.f}));
  EXPECT_EQ(metrics["reward/encoded_frames"], 5 + 3);  // a goal is embedded once an episode
  Metrics next;
  EXPECT_THAT(Rollout(*env, 1, Forward, &next), Pointwise(FloatNear(1e-5), {-60 / 80.f}));
  EXPECT_EQ(next["reward/encoded_frames"], 1);
}

TEST(RewardIndex, PairEncodesEachPictureOnce) {
  auto options = Options("goal_distance");
  options.form = "difference";
  const auto env = Assemble(options, {});
  env->Reset(1);
  Metrics metrics;
  Rollout(*env, 8, Forward, &metrics);
  EXPECT_EQ(metrics["reward/encoded_frames"],
            1 + 8 + 2);  // the first picture, the steps, two resets
}

TEST(RewardIndex, DeferredRewardIsNaNUntilTheRolloutEnds) {
  const auto env = Assemble(Options("goal_distance"), {});
  EXPECT_TRUE(env->Spec().deferred_rewards);
  EXPECT_TRUE(std::isnan(env->Reset(1).reward[0]));
  const std::vector<float> action = {1};
  const auto view = env->Step(action);
  EXPECT_TRUE(std::isnan(view.reward[0]));
  EXPECT_EQ(view.env_reward[0], 10);
  auto immediate = Options("goal_distance");
  immediate.timing = "immediate";
  const auto other = Assemble(immediate, {});
  EXPECT_FALSE(other->Spec().deferred_rewards);
  other->Reset(1);
  EXPECT_NEAR(other->Step(action).reward[0], -0.75, 1e-5);
}

// More steps than the buffer's first size: it grows and nothing moves.
TEST(RewardIndex, LongRollout) {
  auto options = Options("goal_distance");
  options.chunk_size = 33;
  ScriptOptions script;
  script.num_envs = 2;
  const auto env = Assemble(options, script);
  env->Reset(1);
  Metrics metrics;
  const auto rewards = Rollout(*env, 150, Forward, &metrics);
  for (int64_t i = 0; i < 300; ++i)
    ASSERT_NEAR(rewards[i], -0.75 + 0.25 * ((i / 2) % 4), 1e-5) << i;
  EXPECT_EQ(metrics["reward/encode_calls"], 10);
}

TEST(RewardIndex, MetricsByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    auto options = Options("goal_distance");
    options.timing = timing;
    const auto env = Assemble(options, {});
    env->Reset(1);
    Metrics metrics;
    Rollout(*env, 8, Forward, &metrics);
    EXPECT_NEAR(metrics["reward/mean"], -0.375, 1e-5);
    EXPECT_NEAR(metrics["reward/std"], std::sqrt(0.078125), 1e-5);
    EXPECT_NEAR(metrics["reward/goal_distance"], 0.375, 1e-5);
    EXPECT_NEAR(metrics.at("reward/goal_distance_end"), 0, 1e-5);
    EXPECT_GT(env->Timings().at("time/encode"), 0);
    EXPECT_GT(env->Timings().at("time/reward"), 0);
    EXPECT_EQ(env->Timings().at("time/env"), 0.5);
  }
}

}  // namespace
}  // namespace v2r
