#include "media/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

TEST(Manifest, RoundTripKeepsEveryKey) {
  const TempFolder folder;
  Manifest manifest;
  manifest.task = "push";
  manifest.render = {64, 2};
  manifest.extra = R"({"camera":{"name":"top","size":256}})";
  manifest.clips.push_back({"good/000.mp4", "good", 25, 50, 31.5, true, R"({"seed":7})"});
  manifest.clips.push_back({"random/000.mp4", "random"});
  WriteManifest(folder / "manifest.json", manifest);
  const Manifest back = ReadManifest(folder / "manifest.json");
  EXPECT_EQ(back.task, "push");
  EXPECT_EQ(back.render.size, 64);
  EXPECT_EQ(back.render.supersample, 2);
  EXPECT_EQ(back.extra, manifest.extra);
  ASSERT_EQ(back.clips.size(), 2u);
  EXPECT_EQ(back.clips[0].file, "good/000.mp4");
  EXPECT_EQ(back.clips[0].label, "good");
  EXPECT_EQ(back.clips[0].fps, 25);
  EXPECT_EQ(back.clips[0].frames, 50);
  EXPECT_EQ(back.clips[0].episode_return, 31.5);
  EXPECT_EQ(back.clips[0].success, true);
  EXPECT_EQ(back.clips[0].extra, R"({"seed":7})");
  EXPECT_FALSE(back.clips[1].success.has_value());
  EXPECT_FALSE(back.clips[1].episode_return.has_value());
  WriteManifest(folder / "again.json", back);
  EXPECT_EQ(ReadFile(folder / "again.json"), ReadFile(folder / "manifest.json"));
  const auto json = nlohmann::json::parse(ReadFile(folder / "manifest.json"));
  EXPECT_EQ(json["clips"][0]["return"], 31.5);
}

TEST(Manifest, MistakesAreNamed) {
  const TempFolder folder;
  const auto message = [&](const std::string& text) {
    WriteFileAtomic(folder / "manifest.json", text);
    return UserErrorOf([&] { ReadManifest(folder / "manifest.json"); });
  };
  EXPECT_THAT(message("{"), HasSubstr("manifest.json: is not valid JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("a list 'clips'"));
  EXPECT_THAT(message(R"({"clips":[{"label":"good"}]})"), HasSubstr("clips[0]: 'file' is missing"));
  EXPECT_THAT(message(R"({"clips":[{"file":"a.mp4","fps":"fast"}]})"),
              HasSubstr("'fps' should be a number"));
  EXPECT_THAT(message(R"({"clips":[{"file":"a.mp4","label":"goood"}]})"),
              HasSubstr("unknown label 'goood', did you mean 'good'?"));
  EXPECT_THAT(message(R"({"clips":[{"file":"a.mp4"},{"file":"a.mp4"}]})"),
              HasSubstr("listed twice"));
  EXPECT_THAT(message(R"({"render":64,"clips":[]})"), HasSubstr("render: should be an object"));
  EXPECT_THAT(message(R"({"render":{"size":0},"clips":[]})"), HasSubstr("must be at least 1"));
  EXPECT_THAT(message(R"({"render":{"size":"big"},"clips":[]})"),
              HasSubstr("'size' should be a whole number"));
}

}  // namespace
}  // namespace v2r
