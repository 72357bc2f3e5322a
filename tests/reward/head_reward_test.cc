// The rewards of the heads `progress` and `goal`: a four-step episode by hand, goals, starts that a
// rollout carries into the next one, differences of them, and what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/error_of.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::Assemble;
using ::testing::FloatNear;
using testing::Forward;
using testing::GreyClip;
using testing::GreyEncoder;
using ::testing::HasSubstr;
using testing::Options;
using ::testing::Pointwise;
using testing::Rollout;
using testing::ScriptOptions;

// Two episodes of four steps, or what another script says.
std::vector<float> Play(const RewardOptions& options, const ScriptOptions& script = {},
                        int64_t steps = 8, Metrics* metrics = nullptr) {
  const auto env = Assemble(options, script);
  env->Reset(1);
  return Rollout(*env, steps, Forward, metrics);
}

std::vector<float> Twice(std::vector<float> episode) {
  const auto first = episode;
  episode.insert(episode.end(), first.begin(), first.end());
  return episode;
}

// Greys 40 60 80 100 after start 20, goal 100: mean .75 1 1.25 1.5 (.5 at the start), log variance
// .75 .5 .25 0 (1 at the start).
TEST(ProgressReward, EpisodeByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    SCOPED_TRACE(timing);
    auto options = Options("progress");
    options.timing = timing;
    Metrics metrics;
    EXPECT_THAT(Play(options, {}, 8, &metrics),
                Pointwise(FloatNear(1e-5), Twice({-0.75f, -0.5f, -0.25f, 0.0f})));
    EXPECT_NEAR(metrics["reward/progress_mean"], 1.125, 1e-5);
    EXPECT_NEAR(metrics["reward/progress_mean_end"], 1.5, 1e-5);
    EXPECT_NEAR(metrics["reward/progress_std_end"], 1, 1e-5);

    options.demo_scale = false;
    options.scale = 2;
    EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({1.5f, 2.0f, 2.5f, 3.0f})));
  }
}

TEST(ProgressReward, UncertaintyByHand) {
  auto options = Options("progress");
  options.demo_scale = false;
  options.progress.deviation = 0.1;
  EXPECT_THAT(Play(options),
              Pointwise(FloatNear(1e-5), Twice({0.6045009f, 0.8715975f, 1.1366852f, 1.4f})));
  // H = 1.4189385 + half the log variance.
  options.progress.deviation = 0;
  options.progress.entropy = 0.4;
  EXPECT_THAT(Play(options),
              Pointwise(FloatNear(1e-5), Twice({0.0324246f, 0.3324246f, 0.6324246f, 0.9324246f})));
  // (v - v_end) / (v_end - v_start): v is -.2675754 at the start and .9324246 at the end.
  options.demo_scale = true;
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({-0.75f, -0.5f, -0.25f, 0.0f})));
}

// Goals of the episodes 100, 110, 120: the mean rises by .5 * 10 / 80 each.
TEST(ProgressReward, GoalPictureOfTheEpisode) {
  auto options = Options("progress");
  options.goal.kind = "env";
  ScriptOptions script;
  script.goal_frames = true;
  script.episode_steps = {2};
  EXPECT_THAT(Play(options, script, 5),
              Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.6875f, -0.4375f, -0.625f}));
}

// Goals 92 and 108: pictures 40 to 100 are nearest to 92 until 100, which is as far from both.
TEST(ProgressReward, NearestOfSeveralGoals) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 60, 92}), GreyClip("good", {20, 60, 108})};
  auto options = Options("progress");
  options.demo_scale = false;
  const auto mean_of = [&](const std::string& kind) {
    options.goal.kind = kind;
    const auto env = Assemble(options, {}, GreyEncoder(), demos);
    env->Reset(1);
    return Rollout(*env, 3, [](int64_t t, int64_t) { return t == 2 ? 2.5f : 1.0f; });
  };
  // Pictures 40, 60 and 110.
  EXPECT_THAT(mean_of("mean"), Pointwise(FloatNear(1e-5), {0.75f, 1.0f, 1.625f}));
  EXPECT_THAT(mean_of("nearest"), Pointwise(FloatNear(1e-5), {0.7f, 0.95f, 1.675f}));
}

// The control: goal 20 takes .5 off the mean, the scale stays.
TEST(ProgressReward, WrongGoal) {
  auto options = Options("progress");
  options.wrong_goal = true;
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({-1.25f, -1.0f, -0.75f, -0.5f})));
}

// The start is the episode's own first picture, also where the rollout that saw it is over, and
// also from a checkpoint. Without it the mean would be another one: starts differ by the noise.
TEST(ProgressReward, StartIsCarriedOverRolloutsAndCheckpoints) {
  ScriptOptions script;
  script.num_envs = 2;
  script.episode_steps = {4, 3};
  script.start_noise = 3;
  auto options = Options("progress");
  const auto whole = Assemble(options, script), cut = Assemble(options, script);
  whole->Reset(5);
  cut->Reset(5);
  const auto expected = Rollout(*whole, 7, Forward);
  auto rewards = Rollout(*cut, 2, Forward);
  StateDict state;
  cut->SaveState(state);
  const auto resumed = Assemble(options, script, GreyEncoder(), testing::GreyDemos(), /*seed=*/9);
  resumed->LoadState(state);
  const auto rest = Rollout(*resumed, 5, Forward);
  rewards.insert(rewards.end(), rest.begin(), rest.end());
  EXPECT_EQ(rewards, expected);
  EXPECT_GT(std::abs(expected[0] - expected[1]), 1e-3) << "two starts";
}

// Every second step is rewarded, by the start of its own episode.
TEST(ProgressReward, EverySecondStep) {
  auto options = Options("progress");
  options.every = 2;
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({-0.75f, -0.75f, -0.25f, -0.25f})));
}

TEST(ProgressReward, DifferenceOfIt) {
  auto options = Options("value_difference");
  options.potential.of = "progress";
  for (const std::string timing : {"deferred", "immediate"}) {
    options.timing = timing;
    const auto env = Assemble(options, {});
    env->Reset(1);
    std::vector<float> rewards;
    for (const int64_t steps : {3, 3, 2}) {  // rollouts that cut episodes
      const auto more = Rollout(*env, steps, Forward);
      rewards.insert(rewards.end(), more.begin(), more.end());
    }
    EXPECT_THAT(rewards, Pointwise(FloatNear(1e-5), std::vector<float>(8, 0.25f))) << timing;
  }
}

// Logits -2 -1 0 1 after -3.
TEST(GoalClassifierReward, EpisodeByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    SCOPED_TRACE(timing);
    auto options = Options("goal_classifier");
    options.timing = timing;
    options.demo_scale = false;
    Metrics metrics;
    EXPECT_THAT(Play(options, {}, 8, &metrics),
                Pointwise(FloatNear(1e-5), Twice({0.1192029f, 0.2689414f, 0.5f, 0.7310586f})));
    EXPECT_NEAR(metrics["reward/goal_probability_end"], 0.7310586, 1e-5);
    options.goal_classifier.value = "log_probability";
    EXPECT_THAT(
        Play(options),
        Pointwise(FloatNear(1e-5), Twice({-2.1269280f, -1.3132617f, -0.6931472f, -0.3132617f})));
    options.goal_classifier.value = "logit";
    EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({-2.0f, -1.0f, 0.0f, 1.0f})));
    options.demo_scale = true;
    EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), Twice({-0.75f, -0.5f, -0.25f, 0.0f})));
    // (p - .7310586) / (.7310586 - .0474259)
    options.goal_classifier.value = "probability";
    EXPECT_THAT(Play(options),
                Pointwise(FloatNear(1e-5), Twice({-0.8950065f, -0.6759729f, -0.3379865f, 0.0f})));
  }
}

// Of the last two frames, 80 and 100: the end's logit is .5.
TEST(GoalClassifierReward, EndOfSeveralFrames) {
  auto options = Options("goal_classifier");
  options.goal_classifier.value = "logit";
  options.goal.last_frames = 2;
  EXPECT_THAT(
      Play(options),
      Pointwise(FloatNear(1e-5), Twice({-2.5f / 3.5f, -1.5f / 3.5f, -0.5f / 3.5f, 0.5f / 3.5f})));
}

// ---- refused

std::string MakeError(const RewardOptions& options) {
  return ErrorOf([&] { MakeRewardModel(options, GreyEncoder(), torch::kCPU); });
}

TEST(HeadRewardErrors, HeadMissing) {
  const auto encoder = std::make_shared<const Encoder>(
      LoadEncoder(testing::GreyEncoderFile("l2"), torch::kCPU, "float32"));
  for (const std::string name : {"progress", "goal_classifier", "ranking"}) {
    EXPECT_THAT(
        ErrorOf([&] { MakeRewardModel(Options(name), encoder, torch::kCPU); }),
        ::testing::AllOf(HasSubstr("it has no heads"), HasSubstr("pretrain.method=" + name)));
  }
}

TEST(HeadRewardErrors, HeadOfAnotherLayout) {
  auto options = Options("progress");
  options.head = "rank";
  EXPECT_THAT(MakeError(options), HasSubstr("head 'rank' does not take 3 embeddings"));
  options = Options("goal_classifier");
  options.head = "progress";
  EXPECT_THAT(MakeError(options), HasSubstr("head 'progress' does not take 1 embedding of"));
  options.head = "wide";
  EXPECT_THAT(MakeError(options), HasSubstr("gives 2 numbers a picture; goal_classifier needs 1"));
  options.head = "falling";
  EXPECT_THAT(ErrorOf([&] { Assemble(options, {}); }),
              HasSubstr("does not rise along the demonstrations"));
}

TEST(HeadRewardErrors, KeysOfOthers) {
  auto options = Options("ranking");
  options.progress.entropy = 0.1;
  EXPECT_THAT(MakeError(options), HasSubstr("reward.progress: reward 'ranking' does not read it"));
  options = Options("progress");
  options.goal_classifier.value = "logit";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.goal_classifier: reward 'progress' does not"));
  options = Options("progress");
  options.form = "exp";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.form"));
  options = Options("goal_classifier");
  options.goal.kind = "env";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.goal.kind"));
  options = Options("goal_classifier");
  options.wrong_goal = true;
  EXPECT_THAT(MakeError(options), HasSubstr("has no goal that could be wrong"));
  options = Options("goal_distance");
  options.head = "rank";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.head"));
}

TEST(HeadRewardErrors, GoalsThatDoNotLookAlike) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 40}), GreyClip("good", {20, 180})};
  auto options = Options("progress");
  EXPECT_THAT(ErrorOf([&] { Assemble(options, {}, GreyEncoder(), demos); }),
              HasSubstr("goals do not look alike"));
  options.goal.kind = "nearest";
  EXPECT_NO_THROW(Assemble(options, {}, GreyEncoder(), demos));
}

}  // namespace
}  // namespace v2r
