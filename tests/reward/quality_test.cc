#include "reward/quality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/resize.h"
#include "reward/distance.h"
#include "reward/render_gap.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::GreyClip;
using testing::GreyEncoder;
using testing::Options;

DemoFeatures Demos(const std::vector<Clip>& clips) {
  ClipSet set;
  set.clips = clips;
  return EmbedDemos(Options("goal_distance"), GreyEncoder().get(), set);
}
Clip Good() { return GreyClip("good", {20, 40, 60, 80, 100}); }
Clip Miss() { return GreyClip("near_miss", {20, 40, 50, 50, 50}); }

// Greys 20 to 100 with the truth 0.8 m to 0 m: the reward is right on every state.
RewardProbe Probe() {
  std::vector<int> greys;
  std::vector<float> distance;
  for (int grey = 20; grey <= 100; ++grey) {
    greys.push_back(grey);
    distance.push_back(static_cast<float>(100 - grey) / 100);
  }
  RewardProbe probe;
  probe.embeddings = GreyEncoder()->Embed(GreyClip("good", greys).frames);
  probe.true_distance = torch::tensor(distance);
  return probe;
}

TEST(RewardQuality, PerfectReward) {
  for (const std::string name : {"goal_distance", "pixel_l2", "ranking"}) {
    const auto quality =
        MeasureRewardQuality(Options(name), GreyEncoder(), torch::kCPU,
                             Demos({Good(), Good(), Miss()}), Probe(), {.near = 0.075});
    EXPECT_EQ(quality.good_clips, 2);
    EXPECT_EQ(quality.near_miss_clips, 1);
    EXPECT_EQ(quality.probe_states, 81);
    EXPECT_EQ(quality.near_states, 8);
    EXPECT_NEAR(quality.voc_median, 1, 1e-9);
    EXPECT_NEAR(quality.voc_worst_decile, 1, 1e-9);
    EXPECT_NEAR(quality.auroc_mean_reward, 1, 1e-9);
    EXPECT_NEAR(quality.auroc_last_frame, 1, 1e-9);
    EXPECT_NEAR(quality.correlation_near, 1, 1e-9);
    EXPECT_NEAR(quality.correlation_broad, 1, 1e-9);
    EXPECT_NEAR(quality.top_true_distance, 0, 1e-6);  // the best of 81
    if (name == "ranking") {
      EXPECT_TRUE(std::isnan(quality.goal_spread) && std::isnan(quality.wrong_goal_broad));
    } else {
      EXPECT_NEAR(quality.goal_spread, 0, 1e-6);
      EXPECT_NEAR(quality.wrong_goal_near, -1, 1e-9);
      EXPECT_NEAR(quality.wrong_goal_broad, -1, 1e-9);
    }
  }
}

TEST(RewardQuality, WrongGoalScoresLikeTheControl) {
  auto options = Options("goal_distance");
  options.wrong_goal = true;
  const auto quality =
      MeasureRewardQuality(options, GreyEncoder(), torch::kCPU, Demos({Good(), Miss()}), Probe());
  EXPECT_NEAR(quality.correlation_broad, -1, 1e-9);
  EXPECT_NEAR(quality.voc_median, -1, 1e-9);
  EXPECT_NEAR(quality.auroc_last_frame, 0, 1e-9);
  EXPECT_NEAR(quality.top_true_distance, 0.8, 1e-6);
  EXPECT_TRUE(std::isnan(quality.wrong_goal_broad));
}

TEST(RewardQuality, WorstDecileSeesTheBadClip) {
  std::vector<Clip> clips(9, Good());
  clips.push_back(GreyClip("good", {100, 80, 60, 80, 100}));
  clips.push_back(GreyClip("good", {90, 80, 60, 80, 100}));
  const auto quality =
      MeasureRewardQuality(Options("goal_distance"), GreyEncoder(), torch::kCPU, Demos(clips), {});
  EXPECT_NEAR(quality.voc_median, 1, 1e-9);
  EXPECT_LT(quality.voc_worst_decile, 0.5);
  EXPECT_TRUE(std::isnan(quality.auroc_mean_reward) && std::isnan(quality.correlation_broad));
}

// A difference reward is constant along a steady demonstration: it is judged by its potential.
TEST(RewardQuality, DifferencesAreJudgedByThePotential) {
  auto options = Options("goal_distance");
  options.form = "difference";
  options.classifier.weight = 0.1;  // online parts are off
  const auto quality =
      MeasureRewardQuality(options, GreyEncoder(), torch::kCPU, Demos({Good()}), Probe());
  EXPECT_NEAR(quality.voc_median, 1, 1e-9);
  EXPECT_NEAR(quality.correlation_broad, 1, 1e-9);
}

TEST(RewardQuality, GoalPerEpisode) {
  auto options = Options("goal_distance");
  options.goal.kind = "env";
  auto probe = Probe();
  EXPECT_THROW(MeasureRewardQuality(options, GreyEncoder(), torch::kCPU, Demos({Good()}), probe),
               UserError);
  probe.goal = GreyEncoder()->Embed(GreyClip("good", {100}).frames).expand_as(probe.embeddings);
  const auto quality =
      MeasureRewardQuality(options, GreyEncoder(), torch::kCPU, Demos({Good(), Miss()}), probe);
  EXPECT_NEAR(quality.correlation_broad, 1, 1e-9);
  EXPECT_NEAR(quality.wrong_goal_broad, -1, 1e-9);
  EXPECT_NEAR(quality.voc_median, 1, 1e-9);
  EXPECT_TRUE(std::isnan(quality.auroc_last_frame));
}

TEST(RewardQuality, Refusals) {
  EXPECT_THROW(MeasureRewardQuality(Options("true"), nullptr, torch::kCPU, {}, {}), UserError);
  auto probe = Probe();
  probe.true_distance = torch::zeros({3});
  EXPECT_THROW(MeasureRewardQuality(Options("goal_distance"), GreyEncoder(), torch::kCPU,
                                    Demos({Good()}), probe),
               UserError);
}

TEST(RewardQuality, TableHasEveryNumber) {
  RewardQuality quality;
  quality.correlation_near = 0.125;
  quality.good_clips = 17;
  const auto table = quality.ToTable();
  EXPECT_THAT(table,
              ::testing::AllOf(::testing::HasSubstr("0.125"), ::testing::HasSubstr("17"),
                               ::testing::HasSubstr("n/a"), ::testing::HasSubstr("render gap")));
}

// ---- the render gap

// A disc of grey on black, `size` pixels, hard-edged; centre and radius in shares of the side.
torch::Tensor Disc(int64_t size, double cx) {
  auto picture = torch::zeros({1, size, size, 3}, torch::kUInt8);
  auto* data = picture.data_ptr<uint8_t>();
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) {
      const double dx = (static_cast<double>(x) + 0.5) / static_cast<double>(size) - cx;
      const double dy = (static_cast<double>(y) + 0.5) / static_cast<double>(size) - 0.5;
      if (dx * dx + dy * dy < 0.04) std::fill_n(data + (y * size + x) * 3, 3, uint8_t{200});
    }
  }
  return picture;
}

// Filmed at 128 and shrunk by area, against rendered straight at 16: the edges differ, by less than
// a step of the disc.
TEST(RenderGap, FilmAgainstRendering) {
  const auto encoder = GreyEncoder();
  std::vector<torch::Tensor> film, rendered, supersampled;
  for (int t = 0; t < 9; ++t) {
    const double x = 0.3 + 0.05 * t;
    film.push_back(encoder->Embed(Disc(128, x)));
    rendered.push_back(encoder->Embed(Disc(16, x)));
    supersampled.push_back(encoder->Embed(Disc(64, x)));
  }
  const auto all = torch::cat(film);
  const auto now = all.narrow(0, 0, 8), next = all.narrow(0, 1, 8);
  const auto distance = MakeDistance("encoder", encoder);
  const double aliased = RenderGap(distance, now, torch::cat(rendered).narrow(0, 0, 8), next);
  const double smooth = RenderGap(distance, now, torch::cat(supersampled).narrow(0, 0, 8), next);
  EXPECT_EQ(RenderGap(distance, now, now, next), 0);
  EXPECT_NEAR(RenderGap(distance, now, next, next), 1, 1e-6);
  EXPECT_GT(aliased, 0.2);
  EXPECT_LT(aliased, 1);
  EXPECT_LT(smooth, 0.5 * aliased);
  EXPECT_THROW(RenderGap(distance, now, now, now), UserError);
}

}  // namespace
}  // namespace v2r
