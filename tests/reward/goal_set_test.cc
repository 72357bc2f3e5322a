#include "reward/goal_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reward/helpers.h"

namespace v2r {
namespace {

DistanceFn L2() { return MakeDistance("l2", nullptr); }

GoalOptions Kind(const std::string& kind) {
  GoalOptions options;
  options.kind = kind;
  return options;
}

// Points on a line; the goals 9 and 11 lie 1 from their mean, the starts 0 and 0 lie 10 from it.
std::vector<torch::Tensor> Alike() {
  return {torch::tensor({{0.0f, 0.0f}, {5.0f, 0.0f}, {9.0f, 0.0f}}),
          torch::tensor({{0.0f, 0.0f}, {6.0f, 0.0f}, {11.0f, 0.0f}})};
}
// Goals (10, 10) and (10, -10): 10 from their mean (10, 0), as far as the start.
std::vector<torch::Tensor> TwoWays() {
  return {torch::tensor({{0.0f, 0.0f}, {10.0f, 10.0f}}),
          torch::tensor({{0.0f, 0.0f}, {10.0f, -10.0f}})};
}
double At(const GoalSet& goals, float x, float y) {
  return goals.Distance(torch::tensor({{x, y}}), {}).item<double>();
}

TEST(EmbeddingDistance, EqualsTheEncoders) {
  const auto a = torch::randn({4, 3, 768}), b = torch::randn({3, 768});
  for (const std::string metric : {"l2", "cosine"}) {
    const auto encoder = testing::GreyEncoder(metric);
    EXPECT_TRUE(
        torch::allclose(EmbeddingDistance(metric, a, b), encoder->Distance(a, b), 1e-5, 1e-6));
    EXPECT_TRUE(torch::equal(MakeDistance("encoder", encoder)(a, b), encoder->Distance(a, b)));
    EXPECT_TRUE(torch::equal(MakeDistance(metric, encoder)(a, b), EmbeddingDistance(metric, a, b)));
  }
}

TEST(GoalSet, MeanOfLastFrames) {
  GoalSet goals(Kind("mean"), L2());
  goals.Fit(Alike(), /*wrong=*/false);
  EXPECT_NEAR(At(goals, 10, 0), 0, 1e-6);
  EXPECT_NEAR(At(goals, 0, 0), 10, 1e-6);
  EXPECT_NEAR(goals.spread().spread, 1, 1e-6);
  EXPECT_NEAR(goals.spread().start_distance, 10, 1e-6);
  EXPECT_NEAR(goals.spread().ratio(), 0.1, 1e-6);
}

TEST(GoalSet, LastFramesLooksFurtherBack) {
  auto options = Kind("mean");
  options.last_frames = 2;
  options.max_spread = 10;
  GoalSet goals(options, L2());
  goals.Fit(Alike(), false);
  EXPECT_NEAR(At(goals, 7.75, 0), 0, 1e-6);  // mean of 5 9 6 11
  options.last_frames = 100;                 // more than there are: all
  GoalSet all(options, L2());
  all.Fit(Alike(), false);
  EXPECT_NEAR(At(all, 31.0f / 6, 0), 0, 1e-5);
}

TEST(GoalSet, MeanOfGoalsThatDoNotLookAlikeIsRefused) {
  GoalSet goals(Kind("mean"), L2());
  try {
    goals.Fit(TwoWays(), false);
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("goal spread 10,"),
                                               ::testing::HasSubstr("start-goal distance 10,"),
                                               ::testing::HasSubstr("goal.kind=nearest")));
  }
  goals.Fit(TwoWays(), /*wrong=*/true);  // the control is not asked
  auto patient = Kind("mean");
  patient.max_spread = 1.5;
  GoalSet allowed(patient, L2());
  allowed.Fit(TwoWays(), false);
  EXPECT_NEAR(At(allowed, 10, 0), 0, 1e-6);
}

TEST(GoalSet, NearestOfTheSet) {
  GoalSet goals(Kind("nearest"), L2());
  goals.Fit(TwoWays(), false);
  EXPECT_NEAR(At(goals, 10, 9), 1, 1e-6);
  EXPECT_NEAR(At(goals, 10, -8), 2, 1e-6);
  EXPECT_NEAR(goals.spread().start_distance, std::sqrt(200.0), 1e-4);
}

TEST(GoalSet, EnvGoalIsTheOneHandedIn) {
  GoalSet goals(Kind("env"), L2());
  goals.Fit(TwoWays(), false);
  EXPECT_TRUE(goals.per_episode());
  const auto d = goals.Distance(torch::tensor({{1.0f, 0.0f}, {1.0f, 0.0f}}),
                                torch::tensor({{4.0f, 0.0f}, {1.0f, 7.0f}}));
  EXPECT_NEAR(d[0].item<double>(), 3, 1e-6);
  EXPECT_NEAR(d[1].item<double>(), 7, 1e-6);
  EXPECT_NEAR(goals.spread().start_distance, std::sqrt(200.0), 1e-4);  // each to its own end
  EXPECT_THROW(goals.Distance(torch::zeros({1, 2}), {}), Error);
}

TEST(GoalSet, WrongGoalIsTheStart) {
  for (const std::string kind : {"mean", "nearest", "env"}) {
    GoalSet goals(Kind(kind), L2());
    goals.Fit(Alike(), /*wrong=*/true);
    EXPECT_FALSE(goals.per_episode());
    EXPECT_NEAR(At(goals, 0, 0), 0, 1e-6);
    EXPECT_GT(goals.spread().start_distance, 8);  // the unit stays that of the real goal
  }
}

TEST(GoalSet, CollapsedEncoderIsNamed) {
  GoalSet goals(Kind("mean"), L2());
  EXPECT_THROW(goals.Fit({torch::ones({3, 2}), torch::ones({4, 2})}, false), UserError);
}

// Long embeddings are compared block by block.
TEST(GoalSet, ManyLongEmbeddings) {
  const auto z = torch::randn({30, 4, 12288}), goal = torch::randn({30, 4, 12288});
  GoalSet mean(Kind("mean"), L2()), env(Kind("env"), L2());
  const std::vector<torch::Tensor> demos = {torch::randn({2, 12288})};
  mean.Fit(demos, false);
  env.Fit(demos, false);
  EXPECT_TRUE(torch::allclose(mean.Distance(z, {}), (z - demos[0][1]).norm(2, -1), 1e-5));
  EXPECT_TRUE(torch::allclose(env.Distance(z, goal), (z - goal).norm(2, -1), 1e-5));
}

TEST(GoalSet, StateRoundTrip) {
  for (const std::string kind : {"mean", "nearest", "env"}) {
    GoalSet goals(Kind(kind), L2()), loaded(Kind(kind), L2());
    goals.Fit(Alike(), false);
    StateDict state;
    goals.SaveState(state);
    loaded.LoadState(state, torch::kCPU);
    const auto z = torch::tensor({{3.0f, 4.0f}}), goal = torch::tensor({{1.0f, 1.0f}});
    EXPECT_TRUE(torch::equal(goals.Distance(z, goal), loaded.Distance(z, goal)));
    EXPECT_EQ(goals.spread().spread, loaded.spread().spread);
    EXPECT_EQ(goals.spread().start_distance, loaded.spread().start_distance);
  }
}

}  // namespace
}  // namespace v2r
