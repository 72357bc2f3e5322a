// Sums, ensembles and guards, by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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

std::vector<float> Play(const RewardOptions& options, Metrics* metrics = nullptr,
                        const std::string& metric = "l2",
                        const ClipSet& demos = testing::GreyDemos(), float action = 1) {
  const auto env = Assemble(options, {}, GreyEncoder(metric), demos);
  env->Reset(1);
  return Rollout(
      *env, 4, [action](int64_t, int64_t) { return action; }, metrics);
}

// ---- sum: -.75 -.5 -.25 0 and .25 .25 .25 .25 and success at the last step

TEST(SumReward, EpisodeByHand) {
  auto options = Options("sum");
  options.sum.parts = {"goal_distance", "value_difference", "success"};
  options.sum.weights = {1, 2, 10};
  for (const std::string timing : {"deferred", "immediate"}) {
    options.timing = timing;
    Metrics metrics;
    EXPECT_THAT(Play(options, &metrics), Pointwise(FloatNear(1e-5), {-0.25f, 0.f, 0.25f, 10.5f}));
    EXPECT_NEAR(metrics["reward/sum_goal_distance"], -0.375, 1e-5);
    EXPECT_NEAR(metrics["reward/sum_value_difference"], 0.5, 1e-5);
    EXPECT_NEAR(metrics["reward/sum_success"], 2.5, 1e-5);
  }
}

// The task's truth enters by its name alone.
TEST(SumReward, NoSuccessUnlessNamed) {
  auto options = Options("sum");
  options.sum.parts = {"goal_distance"};
  options.sum.weights = {1};
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.25f, 0.f}));
}

// Two rewards that carry something along an episode do not mix what they carry.
TEST(SumReward, PartsKeepTheirOwnMemory) {
  auto options = Options("sum");
  options.sum.parts = {"nearest_neighbour", "optimal_transport", "tcn_tracking"};
  options.sum.weights = {1, 1, 1};
  std::vector<float> expected(4, 0.0f);
  for (const auto& part : options.sum.parts) {
    const auto alone = Play(Options(part));
    for (int64_t t = 0; t < 4; ++t) expected[t] += alone[t];
  }
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), expected));
}

TEST(SumReward, Refusals) {
  const auto error = [](std::vector<std::string> parts, std::vector<double> weights) {
    auto options = Options("sum");
    options.sum.parts = std::move(parts);
    options.sum.weights = std::move(weights);
    return ErrorOf([&] { Play(options); });
  };
  EXPECT_THAT(error({}, {}), HasSubstr("0 parts and 0 weights"));
  EXPECT_THAT(error({"ranking"}, {1, 2}), HasSubstr("1 parts and 2 weights"));
  EXPECT_THAT(error({"ranking", "ranking"}, {1, 2}), HasSubstr("named twice"));
  EXPECT_THAT(error({"rankin"}, {1}), HasSubstr("did you mean 'ranking'?"));
  EXPECT_THAT(error({"true"}, {1}), HasSubstr("'true' cannot be a part"));
  EXPECT_THAT(error({"ensemble"}, {1}), HasSubstr("ensemble.of=sum"));
  EXPECT_THAT(error({"success"}, {1}), HasSubstr("success alone"));
  EXPECT_THAT(ErrorOf([] { Play(Options("success")); }), HasSubstr("unknown reward 'success'"));
}

// ---- ensemble

TEST(EnsembleReward, CombinesItsMembers) {
  const auto a = Play(Options("goal_distance"), nullptr, "l2");
  const auto b = Play(Options("goal_distance"), nullptr, "cosine");
  ASSERT_GT(std::abs(a[0] - b[0]), 1e-3);
  auto options = Options("ensemble");
  std::vector<float> mean(4), low(4), lower(4);
  for (int64_t t = 0; t < 4; ++t) {
    mean[t] = (a[t] + b[t]) / 2;
    low[t] = std::min(a[t], b[t]);
    lower[t] = mean[t] - 2 * std::abs(a[t] - b[t]) / std::sqrt(2.0f);  // of two, over K-1
  }
  Metrics metrics;
  EXPECT_THAT(Play(options, &metrics), Pointwise(FloatNear(1e-5), mean));
  EXPECT_NEAR(metrics["reward/member_0"], (a[0] + a[1] + a[2] + a[3]) / 4, 1e-5);
  EXPECT_NEAR(metrics["reward/member_1"], (b[0] + b[1] + b[2] + b[3]) / 4, 1e-5);
  EXPECT_GT(metrics["reward/ensemble_std"], 0);
  options.ensemble.combine = "minimum";
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), low));
  options.ensemble.combine = "lower";
  options.ensemble.std_weight = 2;
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), lower));
}

TEST(EnsembleReward, OfARewardWithMemory) {
  auto options = Options("ensemble");
  options.ensemble.of = "nearest_neighbour";
  EXPECT_THAT(Play(options), Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.25f, 0.f}));
}

TEST(EnsembleReward, Refusals) {
  auto options = Options("ensemble");
  options.ensemble.encoders.clear();
  EXPECT_THAT(ErrorOf([&] { Play(options); }), HasSubstr("reward.ensemble.encoders"));
  options = Options("ensemble");
  options.ensemble.of = "true";
  EXPECT_THAT(ErrorOf([&] { Play(options); }), HasSubstr("reward.ensemble.of=true"));
  options.ensemble.of = "rankin";
  EXPECT_THAT(ErrorOf([&] { Play(options); }), HasSubstr("did you mean 'ranking'?"));
  options = Options("ensemble");
  options.ensemble.std_weight = 2;
  EXPECT_THAT(ErrorOf([&] { Play(options); }), HasSubstr("use combine=lower"));
}

// A checkpoint of one pair of encoders is not another's.
TEST(EnsembleReward, CheckpointKnowsAllEncoders) {
  const auto make = [](const std::string& second) {
    auto options = Options("ensemble");
    options.ensemble.encoders = {testing::GreyEncoderFile(second)};
    auto env = Assemble(options, {});
    env->Reset(1);
    return env;
  };
  const auto env = make("cosine");
  Rollout(*env, 4, Forward);
  StateDict state;
  env->SaveState(state);
  EXPECT_THAT(ErrorOf([&] { make("l2")->LoadState(state); }), HasSubstr("this run uses encoder"));
  make("cosine")->LoadState(state);
}

// ---- guard

// The demonstrations' rewards are -.75 -.5 -.25 0, each twice: quartiles -.5625 and -.1875.
TEST(GuardReward, ClipsToWhatDemonstrationsGet) {
  auto options = Options("goal_distance");
  options.guard.clip = {25, 75};
  Metrics metrics;
  EXPECT_THAT(Play(options, &metrics),
              Pointwise(FloatNear(1e-5), {-0.5625f, -0.5f, -0.25f, -0.1875f}));
  EXPECT_NEAR(metrics["reward/clipped"], 0.5, 1e-6);
}

// Demonstrations 4 greys apart: ood counts in 4 greys. Greys 30 40 50 60: 6 0 6 0 from the nearest.
TEST(GuardReward, DistanceToTheDemonstrations) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 40, 60, 80, 100}), GreyClip("good", {24, 44, 64, 84, 104})};
  auto options = Options("goal_distance");
  const auto base = Play(options, nullptr, "l2", demos, 0.5f);
  options.guard.monitor = true;
  Metrics metrics;
  EXPECT_THAT(Play(options, &metrics, "l2", demos, 0.5f), Pointwise(FloatNear(1e-6), base));
  EXPECT_NEAR(metrics["reward/ood"], 0.75, 1e-5);
  EXPECT_NEAR(metrics["reward/ood_share"], 0.5, 1e-6);
  options.guard.penalty = 2;
  const auto punished = Play(options, nullptr, "l2", demos, 0.5f);
  for (int64_t t = 0; t < 4; ++t) EXPECT_NEAR(punished[t], base[t] - (t % 2 == 0), 1e-5) << t;
}

TEST(GuardReward, OneDemonstrationMeasuresItself) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 40, 60, 80, 100})};
  auto options = Options("goal_distance");
  options.guard.monitor = true;
  Metrics metrics;
  Play(options, &metrics, "l2", demos, 0.5f);  // 10 greys off at half of the steps, frames 20 apart
  EXPECT_NEAR(metrics["reward/ood"], 0.25, 1e-5);
}

TEST(GuardReward, Refusals) {
  const auto error = [](const GuardOptions& guard, const std::string& name = "goal_distance") {
    auto options = Options(name);
    options.guard = guard;
    return ErrorOf([&] { Play(options); });
  };
  EXPECT_THAT(error({.clip = {1}}), HasSubstr("two rising percentiles"));
  EXPECT_THAT(error({.clip = {60, 40}}), HasSubstr("two rising percentiles"));
  EXPECT_THAT(error({.clip = {0, 101}}), HasSubstr("two rising percentiles"));
  EXPECT_THAT(error({.percentile = 90}), HasSubstr("guard.monitor"));
  EXPECT_THAT(error({.monitor = true}, "true"), HasSubstr("not guarded"));
  EXPECT_THAT(error({.monitor = true}), HasSubstr("no measure for what is far"));  // equal clips
}

}  // namespace
}  // namespace v2r
