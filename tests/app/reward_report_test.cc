// v2r reward from films to table, page and JSON.
#include "app/reward_report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "app/demos.h"
#include "app/setup.h"
#include "media/manifest.h"
#include "models/encoder.h"
#include "tests/app/mini.h"
#include "tests/error_of.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

class RewardReportTest : public MiniRun {
 protected:
  // Films of a shorter reach, so that the folder's manifest carries the truth.
  std::string Films() {
    const auto folder = root_ / "films";
    if (std::filesystem::exists(folder)) return folder.string();
    TrainOptions options = Mini("run");
    options.env.max_episode_steps = 50;
    options.demos.good = 3;
    options.demos.near_miss = 2;
    options.demos.random = 2;
    FilmDemos(options.env, options.demos, folder);
    return folder.string();
  }
  std::string Network(uint64_t seed, const std::string& name) {
    EncoderSpec spec;
    spec.width = 0.25;
    spec.embedding_dim = 8;
    Rng rng(seed);
    const auto path = root_ / (name + ".safetensors");
    SaveEncoder(path, *MakeEncoderNet(spec, rng), {}, {});
    return path.string();
  }
  RewardCommandOptions Command(const std::string& out) {
    RewardCommandOptions options;
    options.reward.name = "goal_distance";
    options.reward.goal.max_spread = 100;
    options.data.path = Films();
    options.out = (root_ / out).string();
    options.device = "cpu";
    options.torch_threads = 1;
    return options;
  }
};

TEST_F(RewardReportTest, EncodersSideBySide) {
  auto options = Command("out");
  options.encoder.path = Network(1, "first");
  options.encoder.more = {Network(2, "second")};
  const auto reports = ReportRewards(options);
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].name, "first.safetensors");
  EXPECT_EQ(reports[1].name, "second.safetensors");
  EXPECT_EQ(reports[2].name, "pixels");
  for (const auto& report : reports) {
    EXPECT_EQ(report.error, "");
    EXPECT_TRUE(std::isfinite(report.Value("correlation_broad"))) << "the films carry the truth";
    EXPECT_TRUE(std::isfinite(report.Value("auroc_near_miss")));
  }
  EXPECT_GT(reports[2].Value("voc_median"), 0.9);
  const auto json = nlohmann::json::parse(ReadFile(root_ / "out/reward_report.json"));
  EXPECT_EQ(json["reports"].size(), 3u);
  EXPECT_NEAR(json["reports"][2]["measures"]["voc_median"].get<double>(),
              reports[2].Value("voc_median"), 1e-12);
  EXPECT_EQ(json["reports"][0]["clips"].size(), 7u);
  const auto page = ReadFile(root_ / "out/reward_report.html");
  EXPECT_THAT(page, ::testing::AllOf(HasSubstr("second.safetensors"), HasSubstr("<svg"),
                                     HasSubstr("reward by true distance")));
  EXPECT_THAT(page, ::testing::Not(HasSubstr(root_.string())));
}

// The film's truth is the simulator's: falling along a good clip, small at its end, unknown where
// the episode ended.
TEST_F(RewardReportTest, FilmsCarryTheTruth) {
  const auto manifest = ReadManifest(std::filesystem::path(Films()) / "manifest.json");
  for (const ManifestClip& clip : manifest.clips) {
    const auto truth = nlohmann::json::parse(clip.extra)["true_distance"];
    ASSERT_EQ(static_cast<int64_t>(truth.size()), clip.frames);
    if (clip.label != "good") continue;
    EXPECT_GT(truth.front().get<double>(), 0.03);
    EXPECT_LT(truth[truth.size() - 2].get<double>(), 0.03);
  }
}

TEST_F(RewardReportTest, ARefusedEncoderIsNamedAndTheOthersGoOn) {
  auto options = Command("out");
  options.encoder.path = Network(1, "first");
  options.encoder.more = {(root_ / "nothing.safetensors").string()};
  const auto reports = ReportRewards(options);
  EXPECT_EQ(reports[0].error, "");
  EXPECT_THAT(reports[1].error, HasSubstr("nothing.safetensors"));
  options.reward.name = "ranking";
  EXPECT_THAT(ErrorOf([&] { ReportRewards(options); }), HasSubstr("no head 'rank'"));
}

TEST_F(RewardReportTest, Refusals) {
  auto options = Command("out");
  EXPECT_THAT(ErrorOf([&] { ReportRewards(options); }), HasSubstr("needs one"));
  options.data.path = "";
  EXPECT_THAT(ErrorOf([&] { ReportRewards(options); }), HasSubstr("data: say which films"));
}

TEST_F(RewardReportTest, EveryKeyChangesSomething) {
  const std::string first = Network(1, "first"), second = Network(2, "second");
  const auto print = [&](const std::string& name,
                         const std::function<void(RewardCommandOptions&)>& change) {
    auto options = Command("out_" + name);
    options.encoder.path = first;
    change(options);
    ReportRewards(options);
    return ReadFile(std::filesystem::path(options.out) / "reward_report.json");
  };
  const std::string base = print("base", [](auto&) {});
  EXPECT_EQ(print("again", [](auto&) {}), base);
  const std::map<std::string, std::function<void(RewardCommandOptions&)>> changes = {
      {"data.path",
       [&](auto& o) {
         // The same films without their manifest have no truth.
         const auto copy = root_ / "copy";
         std::filesystem::copy(o.data.path, copy, std::filesystem::copy_options::recursive);
         std::filesystem::remove(copy / "manifest.json");
         o.data.path = copy.string();
       }},
      {"data.max_clips", [](auto& o) { o.data.max_clips = 2; }},
      {"encoder.path", [&](auto& o) { o.encoder.path = second; }},
      {"encoder.more", [&](auto& o) { o.encoder.more = {second}; }},
      {"encoder.pixels", [](auto& o) { o.encoder.pixels = false; }},
      {"reward", [](auto& o) { o.reward.distance = "cosine"; }},
      {"report", [](auto& o) { o.report.light = 0.5; }}};
  for (const auto& [key, change] : changes) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '.', '_');
    EXPECT_NE(print(name, change), base) << key;
  }
  for (const FieldDoc& row : Describe(RewardCommandOptions{})) {
    const std::string section = row.path.substr(0, row.path.find('.'));
    EXPECT_TRUE(changes.contains(row.path) || changes.contains(section) || section == "out" ||
                section == "device" || section == "torch_threads")
        << row.path;
  }
}

// A run whose reward contradicts itself films and trains nothing first.
TEST_F(RewardReportTest, ContradictionsAreFoundBeforeTheWork) {
  const auto options = Mini("run", {"reward=goal_distance", "reward.tracking.demo=2"});
  EXPECT_THAT(ErrorOf([&] { Assemble(options, root_ / "run"); }), HasSubstr("reward.tracking"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "run"));
}

TEST_F(RewardReportTest, TheShippedConfigBinds) {
  RewardCommandOptions options;
  Bind(ComposeConfig({HomeDirectory() / "configs"}, "reward", {"reward=optimal_transport"}),
       options);
  EXPECT_EQ(options.reward.name, "optimal_transport");
  EXPECT_EQ(options.out, "reward_report");
}

}  // namespace
}  // namespace v2r
