// The report on labelled films, on clips whose every number is known.
#include "reward/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "core/rng.h"
#include "tests/error_of.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::GreyClip;
using testing::GreyEncoder;
using ::testing::HasSubstr;
using testing::Options;

// 20 greys from start to goal (100), near misses that stop at 60, random ones that stay below 40;
// the truth is the distance to grey 100 in centimetres.
ReportClip Film(const std::string& label, const std::vector<int>& greys, bool truth = true) {
  const Clip clip = GreyClip(label, greys);
  ReportClip film{label, label, clip.frames, {}};
  if (truth) {
    for (const int grey : greys) film.true_distance.push_back((100 - grey) / 100.0);
  }
  return film;
}

std::vector<ReportClip> Films() {
  std::vector<ReportClip> films;
  for (const int first : {20, 22, 24, 21, 23}) {
    std::vector<int> greys;
    for (int t = 0; t < 17; ++t) greys.push_back(first + t * (100 - first) / 16);
    films.push_back(Film("good", greys));
  }
  for (const int first : {20, 23}) {
    std::vector<int> greys;
    for (int t = 0; t < 17; ++t) greys.push_back(std::min(60, first + 5 * t));
    films.push_back(Film("near_miss", greys));
  }
  for (const int first : {20, 26}) {
    std::vector<int> greys;
    for (int t = 0; t < 17; ++t) greys.push_back(first + 6 * (t % 3));
    films.push_back(Film("random", greys));
  }
  return films;
}

RewardReport Measure(const RewardOptions& options, const std::vector<ReportClip>& films = Films(),
                     const RewardReportOptions& report = {}) {
  return MeasureReward("grey", options, GreyEncoder(), torch::kCPU, films, report);
}

TEST(RewardReport, AGoodReward) {
  for (const std::string name : {"goal_distance", "ranking", "value_difference", "potential"}) {
    SCOPED_TRACE(name);
    const auto report = Measure(Options(name));
    EXPECT_NEAR(report.Value("voc_median"), 1, 1e-9);
    EXPECT_NEAR(report.Value("voc_worst_decile"), 1, 1e-9);
    EXPECT_NEAR(report.Value("voc_reversed"), -1, 1e-9);
    EXPECT_LT(std::abs(report.Value("voc_shuffled")), 0.8);
    EXPECT_EQ(report.Value("auroc_near_miss"), 1);
    EXPECT_EQ(report.Value("auroc_random"), 1);
    EXPECT_EQ(report.Value("auroc_near_miss_last"), 1);
    EXPECT_GT(report.Value("order"), 0.9);
    EXPECT_EQ(report.Value("order_medians"), 1);
    EXPECT_GT(report.Value("tau"), 0.95);
    EXPECT_GT(report.Value("cycle_2"), 0.9);
    EXPECT_GT(report.Value("cycle_3"), 0.9);
    EXPECT_NEAR(report.Value("correlation_broad"), 1, 1e-6);
    EXPECT_NEAR(report.Value("correlation_near"), 1, 1e-6);
    EXPECT_NEAR(report.Value("top_true_distance"), 0, 1e-6);
    EXPECT_EQ(report.Value("truth_states"), 16 * 6);  // 2 held-out good, 2 near misses, 2 random
    EXPECT_NEAR(report.Value("effective_dims"), 1, 1e-3);  // grey on a line
    EXPECT_EQ(report.curves.size(), 9u);
    EXPECT_EQ(std::count_if(report.curves.begin(), report.curves.end(),
                            [](const auto& curve) { return curve.calibrated; }),
              3);
    if (name != "ranking") {
      EXPECT_NEAR(report.Value("voc_wrong_goal"), -1, 1e-9);
      EXPECT_NEAR(report.Value("correlation_wrong_goal"), -1, 0.1);
      EXPECT_NEAR(report.Value("goal_spread"), 0, 1e-6);
    } else {
      EXPECT_TRUE(std::isnan(report.Value("voc_wrong_goal")));
    }
  }
}

TEST(RewardReport, ABadRewardLooksBad) {
  auto options = Options("goal_distance");
  options.wrong_goal = true;
  const auto report = Measure(options);
  EXPECT_NEAR(report.Value("voc_median"), -1, 1e-9);
  EXPECT_EQ(report.Value("auroc_near_miss"), 0);
  EXPECT_EQ(report.Value("order_medians"), 0);
  EXPECT_LT(report.Value("correlation_broad"), -0.9);
  EXPECT_GT(report.Value("top_true_distance"), 0.7);
  for (const auto& measure : report.measures) {
    if (measure.key == "voc_median" || measure.key == "auroc_near_miss") {
      EXPECT_EQ(measure.verdict, -1) << measure.key;
    }
  }
}

// Rewards of paths and episodes are measured on the clips as episodes.
TEST(RewardReport, PathsAndEpisodes) {
  for (const std::string name :
       {"nearest_neighbour", "tcn_tracking", "optimal_transport", "sum", "ensemble"}) {
    SCOPED_TRACE(name);
    const auto report = Measure(Options(name));
    EXPECT_EQ(report.Value("auroc_near_miss"), 1);
    EXPECT_EQ(report.Value("auroc_random"), 1);
    EXPECT_TRUE(std::isfinite(report.Value("correlation_broad")));
  }
  EXPECT_NEAR(Measure(Options("nearest_neighbour")).Value("voc_median"), 1, 1e-9);
}

// The task's success is not told to a report: it would tell good from bad by itself.
TEST(RewardReport, SuccessCountsAsNothing) {
  auto options = Options("sum");
  const double before = Measure(options).Value("auroc_near_miss_last");
  const auto first = Measure(options).curves[0].rewards;
  options.sum.weights = {1, 0.5, 1000};
  const auto report = Measure(options);
  EXPECT_EQ(report.Value("auroc_near_miss_last"), before);
  EXPECT_EQ(report.curves[0].rewards, first);
}

TEST(RewardReport, WhatIsNotThereIsNotMeasured) {
  auto films = Films();
  films.resize(2);
  for (auto& film : films) film.true_distance.clear();
  const auto report = Measure(Options("goal_distance"), films);
  for (const char* key : {"auroc_near_miss", "auroc_random", "order", "order_medians", "cycle_3",
                          "correlation_broad", "top_true_distance"}) {
    EXPECT_TRUE(std::isnan(report.Value(key))) << key;
  }
  EXPECT_NEAR(report.Value("voc_median"), 1, 1e-9);
  EXPECT_THAT(ReportTable({report}), HasSubstr("n/a"));
}

// The upper half of the picture is the state, the lower half does not change: turning it mixes
// them.
TEST(RewardReport, DisturbancesShow) {
  RewardReportOptions still;
  still.camera_degrees = 0;
  still.light = 0;
  const auto undisturbed = Measure(Options("goal_distance"), Films(), still);
  EXPECT_NEAR(undisturbed.Value("camera_fall"), 0, 1e-9);
  EXPECT_NEAR(undisturbed.Value("light_fall"), 0, 1e-9);
  RewardReportOptions rough;
  rough.camera_degrees = 30;
  rough.light = 0.5;
  const auto disturbed = Measure(Options("goal_distance"), Films(), rough);
  EXPECT_GT(disturbed.Value("camera_fall"), 0.01);
  EXPECT_GT(disturbed.Value("light_fall"), 0.05);
}

TEST(RewardReport, GoalPicturesOfTheEpisode) {
  auto options = Options("goal_distance");
  options.goal.kind = "env";
  const auto report = Measure(options);
  EXPECT_NEAR(report.Value("voc_median"), 1, 1e-9);
  EXPECT_TRUE(std::isnan(report.Value("auroc_near_miss")));  // failures show no goal
}

TEST(RewardReport, SameNumbersAgainAndEveryKeyChangesSomething) {
  const auto print = [](const RewardReportOptions& options) {
    std::string text;
    for (const auto& m : Measure(Options("goal_distance"), Films(), options).measures) {
      text += fmt::format("{} {} {}\n", m.key, m.title, m.value);
    }
    return text;
  };
  const std::string base = print({});
  EXPECT_EQ(print({}), base);
  const std::map<std::string, std::function<void(RewardReportOptions&)>> changes = {
      {"held_out", [](auto& o) { o.held_out = 0.7; }},
      {"near", [](auto& o) { o.near = 0.3; }},
      {"top_share", [](auto& o) { o.top_share = 0.5; }},
      {"stride", [](auto& o) { o.stride = 1; }},
      {"camera_degrees", [](auto& o) { o.camera_degrees = 30; }},
      {"light", [](auto& o) { o.light = 0.5; }},
      {"seed", [](auto& o) { o.seed = 2; }}};
  for (const FieldDoc& row : Describe(RewardReportOptions())) {
    ASSERT_TRUE(changes.contains(row.path)) << row.path;
    RewardReportOptions options;
    changes.at(row.path)(options);
    EXPECT_NE(print(options), base) << row.path;
  }
}

TEST(RewardReport, TableHasAColumnEach) {
  auto other = Measure(Options("ranking"));
  other.name = "other";
  const auto table = ReportTable({Measure(Options("goal_distance")), other});
  EXPECT_THAT(table, ::testing::AllOf(HasSubstr("grey"), HasSubstr("other"), HasSubstr("VOC"),
                                      HasSubstr("wanted")));
}

TEST(RewardReport, CountsAreWholeAndWhatIsMissingSaysSo) {
  EXPECT_EQ((ReportMeasure{"", "", 577, "", 0}).Text(), "577");
  EXPECT_EQ((ReportMeasure{"", "", 1, "", 0}).Text(), "1.000");
  EXPECT_EQ((ReportMeasure{"", "", 14.7689, "", 0}).Text(), "14.769");
  EXPECT_EQ((ReportMeasure{"", "", std::nan(""), "", 0}).Text(), "n/a");
}

TEST(RewardReport, Refusals) {
  EXPECT_THAT(ErrorOf([] {
                Measure(Options("goal_distance"), {Film("good", {20, 100})});
              }),
              HasSubstr("two good clips"));
  EXPECT_THAT(ErrorOf([] { Measure(Options("true")); }), HasSubstr("no quality report"));
  auto films = Films();
  films[0].true_distance.pop_back();
  EXPECT_THAT(ErrorOf([&] { Measure(Options("goal_distance"), films); }),
              HasSubstr("17 frames and 16 true distances"));
}

}  // namespace
}  // namespace v2r
