#include "core/metrics.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/text.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

TEST(JsonlSinkTest, OneObjectALineAndNullForWhatJsonLacks) {
  const TempFolder folder;
  const auto path = folder / "metrics.jsonl";
  const auto sink = MakeJsonlSink(path, false);
  sink->Write(10, {{"a/b", 0.1}, {"nan", NAN}, {"inf", INFINITY}});
  sink->Write(20, {});
  const auto lines = Split(ReadFile(path), '\n');
  ASSERT_EQ(lines.size(), 3u);
  const auto row = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(row["step"], 10);
  EXPECT_EQ(row["a/b"], 0.1);
  EXPECT_TRUE(row["nan"].is_null());
  EXPECT_TRUE(row["inf"].is_null());
  EXPECT_EQ(lines[1], "{\"step\":20}");
}

TEST(JsonlSinkTest, AppendKeepsWholeLinesAndDropsACutOne) {
  const TempFolder folder;
  const auto path = folder.Write("m.jsonl", "{\"step\":1}\n{\"step\":2,\"a");
  MakeJsonlSink(path, true)->Write(3, {});
  EXPECT_EQ(ReadFile(path), "{\"step\":1}\n{\"step\":3}\n");
  MakeJsonlSink(path, false)->Write(4, {});
  EXPECT_EQ(ReadFile(path), "{\"step\":4}\n");
}

TEST(CsvSinkTest, HeaderGrowsWithNewNames) {
  const TempFolder folder;
  const auto path = folder / "progress.csv";
  const auto sink = MakeCsvSink(path, false);
  sink->Write(1, {{"b", 0.5}});
  EXPECT_EQ(ReadFile(path), "step,b\n1,0.5\n");
  sink->Write(2, {{"a", 1e-7}, {"b", 2.0}});
  EXPECT_EQ(ReadFile(path), "step,b,a\n1,0.5,\n2,2,1e-07\n");
  sink->Write(3, {{"a", NAN}});
  EXPECT_EQ(ReadFile(path), "step,b,a\n1,0.5,\n2,2,1e-07\n3,,nan\n");
  EXPECT_EQ(folder.FileCount(), 1u);
}

TEST(CsvSinkTest, AppendContinuesWithTheOldColumns) {
  const TempFolder folder;
  const auto path = folder.Write("p.csv", "step,\"x,y\",a\n1,2,3\n2,4");
  const auto sink = MakeCsvSink(path, true);
  sink->Write(2, {{"a", 5}, {"x,y", 6}, {"c\"d", 7}});
  EXPECT_EQ(ReadFile(path), "step,\"x,y\",a,\"c\"\"d\"\n1,2,3,\n2,6,5,7\n");
  const auto again = MakeCsvSink(path, true);
  again->Write(3, {{"c\"d", 8}});
  EXPECT_EQ(ReadFile(path), "step,\"x,y\",a,\"c\"\"d\"\n1,2,3,\n2,6,5,7\n3,,,8\n");
}

TEST(CsvSinkTest, StartsFreshAndRefusesForeignTables) {
  const TempFolder folder;
  const auto path = folder.Write("p.csv", "time,a\n1,2\n");
  EXPECT_THAT(UserErrorOf([&] { MakeCsvSink(path, true); }),
              testing::HasSubstr("'time', not 'step'"));
  MakeCsvSink(path, false)->Write(1, {{"z", 1}});
  EXPECT_EQ(ReadFile(path), "step,z\n1,1\n");
  EXPECT_THROW(MakeCsvSink(folder / "no/such.csv", false), UserError);
}

TEST(MetricFanTest, HandsRowsToAll) {
  const TempFolder folder;
  MetricFan fan;
  fan.Add(MakeCsvSink(folder / "a.csv", false));
  fan.Add(MakeJsonlSink(folder / "a.jsonl", false));
  fan.Write(5, {{"x", 1}});
  fan.Flush();
  EXPECT_EQ(ReadFile(folder / "a.csv"), "step,x\n5,1\n");
  EXPECT_EQ(ReadFile(folder / "a.jsonl"), "{\"step\":5,\"x\":1.0}\n");
}

}  // namespace
}  // namespace v2r
