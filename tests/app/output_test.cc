// What the application writes and prints: event files, charts, studies, shorthands.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "app/commands.h"
#include "app/report.h"
#include "app/study.h"
#include "app/tfevents.h"
#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

TEST(Tensorboard, WritesRecordsWithLengthAndChecksum) {
  const fs::path folder = fs::temp_directory_path() / ("v2r_tfevents_" + std::to_string(getpid()));
  MakeDirectories(folder);
  {
    const auto sink = MakeTensorboardSink(folder);
    sink->Write(7, {{"rollout/ep_rew_mean", 1.5}});
    sink->Flush();
  }
  std::string bytes;
  for (const auto& entry : fs::directory_iterator(folder)) bytes = ReadFile(entry.path());
  fs::remove_all(folder);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    ASSERT_LE(at + 12, bytes.size());
    std::memcpy(&length, bytes.data() + at, 8);
    ASSERT_LE(at + 16 + length, bytes.size());
    records.push_back(bytes.substr(at + 12, length));
    at += 16 + length;
  }
  ASSERT_EQ(records.size(), 2u);
  EXPECT_NE(records[0].find("brain.Event:2"), std::string::npos);
  EXPECT_NE(records[1].find("rollout/ep_rew_mean"), std::string::npos);
  // double wall_time (9 bytes) and the version string (2 + 13 bytes).
  EXPECT_EQ(records[0].size(), 24u);
}

TEST(LineChart, DrawsEverySeriesAndSurvivesNothing) {
  const std::string svg =
      LineChartSvg("title <x>", "steps", {{"a", {{0, 1}, {1, 2}}}, {"b", {{0, 2}, {1, 1}}}});
  EXPECT_NE(svg.find("title &lt;x&gt;"), std::string::npos);
  size_t paths = 0;
  for (size_t at = svg.find("<path"); at != std::string::npos; at = svg.find("<path", at + 1))
    ++paths;
  EXPECT_EQ(paths, 2u);
  EXPECT_NE(LineChartSvg("t", "x", {}).find("no values"), std::string::npos);
}

TEST(Shorthands, DataAndDemosNameTheirPath) {
  EXPECT_EQ(ExpandShorthands({"data=a", "demos=b", "seed=1"}),
            (Words{"data.path=a", "demos.path=b", "seed=1"}));
}

TEST(Studies, ShippedOnesLoadAndUnknownNamesAreRefused) {
  EXPECT_EQ(LoadStudy("quickstart").rows.size(), 5u);
  EXPECT_EQ(LoadStudy("learning").seeds, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_THROW(LoadStudy("quickstat"), UserError);
}

TEST(Studies, TableAveragesOverSeeds) {
  StudyResult one{.row = {"push", "ranking", "conv4", "ranking", {}},
                  .seed = 1,
                  .steps = 10,
                  .episode_return = -2,
                  .success = 1,
                  .N = 0.8,
                  .seconds = 1};
  StudyResult two = one;
  two.N = 1.0;
  const std::string table = StudyTable({one, two});
  EXPECT_NE(table.find("0.900"), std::string::npos) << table;
  EXPECT_NE(table.find("0.100"), std::string::npos) << table;
}

}  // namespace
}  // namespace v2r
