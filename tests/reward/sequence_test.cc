// Rewards of steps, paths and whole episodes: every reward of a four-step episode by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "reward/distance.h"
#include "reward/sinkhorn.h"
#include "tests/error_of.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::Assemble;
using ::testing::FloatNear;
using testing::Forward;
using testing::GreyClip;
using ::testing::HasSubstr;
using testing::Options;
using ::testing::Pointwise;
using testing::Rollout;
using testing::ScriptOptions;

float Still(int64_t, int64_t) { return 0.0f; }

std::vector<float> Play(const RewardOptions& options, const ScriptOptions& script,
                        const std::function<float(int64_t, int64_t)>& policy, int64_t steps = 4,
                        const ClipSet& demos = testing::GreyDemos()) {
  const auto env = Assemble(options, script, testing::GreyEncoder(), demos);
  env->Reset(1);
  return Rollout(*env, steps, policy);
}

// ---- potential and value difference: Phi = -d, d = 1 | .75 .5 .25 0

TEST(PotentialReward, EpisodeByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    for (const std::string of : {"goal_distance", "ranking"}) {
      auto options = Options("potential");
      options.timing = timing;
      options.potential.of = of;
      options.potential.gamma = 0.9;
      EXPECT_THAT(Play(options, {}, Forward),
                  Pointwise(FloatNear(1e-5), {0.325f, 0.3f, 0.275f, 0.25f}));
      options.name = "value_difference";
      options.potential.gamma = 0.99;
      EXPECT_THAT(Play(options, {}, Forward),
                  Pointwise(FloatNear(1e-5), {0.25f, 0.25f, 0.25f, 0.25f}));
    }
  }
}

// The third step ends the episode at d = .25: as a terminal state its potential is 0, at a time
// limit it is its own.
TEST(PotentialReward, TerminalStateCountsAsZero) {
  auto options = Options("potential");
  options.potential.gamma = 0.9;
  ScriptOptions script;
  script.episode_steps = {3};
  EXPECT_THAT(Play(options, script, Forward, 3), Pointwise(FloatNear(1e-5), {0.325f, 0.3f, 0.5f}));
  script.terminates = false;
  EXPECT_THAT(Play(options, script, Forward, 3),
              Pointwise(FloatNear(1e-5), {0.325f, 0.3f, 0.275f}));
}

TEST(PotentialReward, TelescopesToTheStartingPotential) {
  auto options = Options("potential");
  options.potential.gamma = 0.9;
  options.form = "squared";
  const auto rewards = Play(options, {}, testing::Wander);
  double sum = 0, factor = 1;
  for (const float reward : rewards) {
    sum += factor * reward;
    factor *= 0.9;
  }
  EXPECT_NEAR(sum, 1, 1e-5);  // -Phi(o_0), whatever the policy did
}

// ---- nearest neighbour: matches at frames 0 | 1 2 3 4 of 5

TEST(NearestNeighbourReward, EpisodeByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    auto options = Options("nearest_neighbour");
    options.timing = timing;
    EXPECT_THAT(
        Play(options, {}, Forward, 8),
        Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.25f, 0.f, -0.75f, -0.5f, -0.25f, 0.f}));
    EXPECT_THAT(Play(options, {}, Still), Pointwise(FloatNear(1e-5), {-1.f, -1.f, -1.f, -1.f}));
    options.tracking.progress = 0;
    EXPECT_THAT(Play(options, {}, Still), Pointwise(FloatNear(1e-5), {0.f, 0.f, 0.f, 0.f}));
    options.tracking.min_step = 1;  // time goes on: greys 20 against 40 60 80 100
    EXPECT_THAT(Play(options, {}, Still),
                Pointwise(FloatNear(1e-5), {-0.25f, -0.5f, -0.75f, -1.f}));
  }
}

// Greys 60 100 140 180: frames 1 2 3 4 are as far as the match may have got.
TEST(NearestNeighbourReward, WindowHoldsTheMatchBack) {
  auto options = Options("nearest_neighbour");
  options.tracking.max_step = 1;
  const auto fast = [](int64_t, int64_t) { return 2.0f; };
  EXPECT_THAT(Play(options, {}, fast), Pointwise(FloatNear(1e-5), {-1.0f, -1.0f, -1.0f, -1.0f}));
  options.tracking.max_step = 4;
  EXPECT_THAT(Play(options, {}, fast), Pointwise(FloatNear(1e-5), {-0.5f, 0.f, -0.5f, -1.0f}));
}

// Back to the start: the match does not go back.
TEST(NearestNeighbourReward, NeverAnEarlierFrame) {
  const auto back = [](int64_t t, int64_t) { return t < 2 ? 1.0f : -1.0f; };
  EXPECT_THAT(Play(Options("nearest_neighbour"), {}, back),
              Pointwise(FloatNear(1e-5), {-0.75f, -0.5f, -0.75f, -1.0f}));
}

TEST(NearestNeighbourReward, TheDemonstrationThatSuitsBest) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 30, 40, 50, 60}), GreyClip("good", {20, 40, 60, 80, 100})};
  auto options = Options("nearest_neighbour");
  options.tracking.max_step = 1;
  const auto env = Assemble(options, {}, testing::GreyEncoder(), demos);
  env->Reset(1);
  Metrics metrics;
  Rollout(*env, 4, Forward, &metrics);
  EXPECT_NEAR(metrics["reward/demo_distance"], 0, 1e-5);
  EXPECT_NEAR(metrics["reward/position"], 0.625, 1e-5);
  EXPECT_NEAR(metrics["reward/position_end"], 1, 1e-5);
}

// ---- tracking by time: d = 0 when following, .25 .5 .75 1 when standing still

TEST(TcnTrackingReward, EpisodeByHand) {
  for (const std::string timing : {"deferred", "immediate"}) {
    auto options = Options("tcn_tracking");
    options.timing = timing;
    const auto r = [](double d) { return static_cast<float>(-d * d - std::sqrt(0.1 + d * d)); };
    EXPECT_THAT(Play(options, {}, Forward), Pointwise(FloatNear(1e-5), {r(0), r(0), r(0), r(0)}));
    EXPECT_THAT(Play(options, {}, Still),
                Pointwise(FloatNear(1e-5), {r(.25), r(.5), r(.75), r(1)}));
    options.tracking.alpha = 2;
    options.tracking.beta = 0;
    EXPECT_THAT(Play(options, {}, Still),
                Pointwise(FloatNear(1e-5), {-0.125f, -0.5f, -1.125f, -2.0f}));
  }
}

TEST(TcnTrackingReward, LastFrameStaysTheAim) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 40, 60}), GreyClip("good", {20, 40, 60})};
  auto options = Options("tcn_tracking");
  options.tracking.beta = 0;
  // d = 0 0 .5 1 of 40 greys
  EXPECT_THAT(Play(options, {}, Forward, 4, demos),
              Pointwise(FloatNear(1e-5), {0.f, 0.f, -0.25f, -1.0f}));
  options.tracking.demo = 2;
  EXPECT_THAT(ErrorOf([&] { Play(options, {}, Forward, 4, demos); }),
              HasSubstr("there are 2 good demonstrations"));
}

// ---- optimal transport

TEST(OptimalTransportReward, EpisodeByHand) {
  const auto options = Options("optimal_transport");
  EXPECT_THAT(Play(options, {}, Forward), Pointwise(FloatNear(1e-5), {0.f, 0.f, 0.f, 0.f}));
  EXPECT_THAT(Play(options, {}, Still), Pointwise(FloatNear(1e-5), {-1.f, -1.f, -1.f, -1.f}));
}

// Greys 100 80 60 40: the demonstration backwards. Without a mask the order does not matter. With
// mask 1 the best matching changes the middle two: costs 3 0 0 3 of steps of 20 greys, c = 2.5 of
// them.
TEST(OptimalTransportReward, MaskKnowsTheOrder) {
  const auto backwards = [](int64_t t, int64_t) { return t == 0 ? 4.0f : -1.0f; };
  auto options = Options("optimal_transport");
  EXPECT_THAT(Play(options, {}, backwards), Pointwise(FloatNear(1e-5), {0.f, 0.f, 0.f, 0.f}));
  options.transport.mask = 1;
  options.transport.iterations = 5000;
  EXPECT_THAT(Play(options, {}, backwards), Pointwise(FloatNear(1e-4), {-1.2f, 0.f, 0.f, -1.2f}));
  EXPECT_THAT(Play(options, {}, Forward), Pointwise(FloatNear(1e-5), {0.f, 0.f, 0.f, 0.f}));
}

// Against the formula written out: context 2, rather warm, a demonstration of another length, two
// of them, the papers' scale.
TEST(OptimalTransportReward, TheFormulaWrittenOut) {
  ClipSet demos;
  demos.clips = {GreyClip("good", {20, 50, 110}), GreyClip("good", {20, 40, 70, 90, 120, 130})};
  auto options = Options("optimal_transport");
  options.demo_scale = false;
  options.distance = "l2";
  options.transport.epsilon = 2;
  options.transport.iterations = 7;
  options.transport.context = 2;
  const auto rewards = Play(options, {}, Forward, 4, demos);
  const auto encoder = testing::GreyEncoder();
  const auto episode = encoder->Embed(GreyClip("good", {40, 60, 80, 100}).frames);
  torch::Tensor expected;
  for (const auto& clip : demos.clips) {
    const auto demo = encoder->Embed(clip.frames).slice(0, 1);
    const int64_t n = 4, m = demo.size(0);
    auto cost = torch::zeros({1, n, m}, torch::kDouble);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < m; ++j) {
        const int64_t i2 = std::min<int64_t>(i + 1, n - 1), j2 = std::min(j + 1, m - 1);
        cost[0][i][j] =
            0.5 * ((episode[i] - demo[j]).norm() + (episode[i2] - demo[j2]).norm()).item<double>();
      }
    }
    const auto r = -(SinkhornLogDomain(cost, {}, 2, 7) * cost).sum(-1)[0];
    if (!expected.defined() || r.sum().item<double>() > expected.sum().item<double>()) expected = r;
  }
  for (int64_t t = 0; t < 4; ++t) EXPECT_NEAR(rewards[t], expected[t].item<double>(), 1e-5) << t;
}

// Episodes of 2 and 4 steps in one rollout, each against the demonstrations by itself.
TEST(OptimalTransportReward, EpisodesOfARolloutAreSeparate) {
  ScriptOptions script;
  script.num_envs = 2;
  script.episode_steps = {2, 4};
  const auto both = Play(Options("optimal_transport"), script, Forward);
  ScriptOptions alone;
  alone.episode_steps = {2};
  const auto two = Play(Options("optimal_transport"), alone, Forward, 2);
  for (int64_t t = 0; t < 4; ++t) {
    EXPECT_NEAR(both[2 * t], two[t % 2], 1e-6);
    EXPECT_NEAR(both[2 * t + 1], 0, 1e-5);
  }
  EXPECT_LT(two[0] + two[1], -0.1);
}

TEST(OptimalTransportReward, CutEpisodesAndImmediateRewardsAreRefused) {
  auto options = Options("optimal_transport");
  EXPECT_THAT(ErrorOf([&] { Play(options, {}, Forward, 3); }),
              ::testing::AllOf(HasSubstr("ends 3 steps into one of environment 0"),
                               HasSubstr("agent.num_steps")));
  options.timing = "immediate";
  EXPECT_THAT(ErrorOf([&] { Play(options, {}, Forward); }), HasSubstr("timing=deferred"));
}

TEST(PairwiseDistanceTest, EqualsTheDistanceOfEachPair) {
  const auto a = torch::randn({40, 30}), b = torch::cat({torch::randn({33, 30}), a.slice(0, 0, 2)});
  for (const std::string metric : {"l2", "cosine"}) {
    const auto d = PairwiseDistance(metric, a, b);
    EXPECT_TRUE(
        torch::allclose(d, EmbeddingDistance(metric, a.unsqueeze(1), b.unsqueeze(0)), 1e-5, 1e-6));
    EXPECT_NEAR(d[0][33].item<double>(), 0, 1e-6);  // no digits lost near zero
    EXPECT_TRUE(torch::equal(PairwiseDistance(metric, a.narrow(0, 3, 1), b)[0], d[3]));
  }
}

}  // namespace
}  // namespace v2r
