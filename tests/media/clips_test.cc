#include "media/clips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/resize.h"
#include "media/manifest.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DataOptions Options(const std::filesystem::path& path) {
  DataOptions options;
  options.path = path.string();
  options.frame_size = 32;
  return options;
}

void WriteFrames(const std::filesystem::path& folder, int frames, int height, int width) {
  std::filesystem::create_directories(folder);
  for (int t = 0; t < frames; ++t) {
    WritePng(folder / ("f" + std::to_string(t) + ".png"), FilmFrame(height, width, t).view());
  }
}

std::vector<std::string> NamesOf(const ClipSet& set) {
  std::vector<std::string> names;
  for (const Clip& clip : set.clips) names.push_back(clip.name);
  return names;
}

TEST(LoadClips, ReadsAMixedFolderAndSkipsTheBrokenClipByName) {
  const TempFolder folder;
  WriteFilm(folder / "good/clip2.mp4", 12, 64, 64);
  WriteFilm(folder / "good/clip10.avi", 7, 96, 128, 10);
  WriteFilm(folder / "near_miss/b.webm", 9, 128, 64);
  WriteFilm(folder / "random/day1/c.mp4", 5);
  WriteFilm(folder / "good/cut.avi", 40, 128, 128);
  CutOffFile(folder / "good/cut.avi", 0.5);
  WriteFrames(folder / "good/frames", 11, 40, 50);
  WriteFileAtomic(folder / "notes.txt", "not a clip");
  WriteFileAtomic(folder / ".hidden.mp4", "not a clip");
  const ClipSet set = LoadClips(Options(folder.path()));
  EXPECT_THAT(NamesOf(set), ElementsAre("good/clip2.mp4", "good/clip10.avi", "good/frames",
                                        "near_miss/b.webm", "random/day1/c.mp4"));
  const std::vector<std::string> labels = {"good", "good", "good", "near_miss", "random"};
  const std::vector<int64_t> lengths = {12, 7, 11, 9, 5};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(set.clips[i].label, labels[i]);
    EXPECT_EQ(set.clips[i].frames.sizes(), torch::IntArrayRef({lengths[i], 32, 32, 3}));
    EXPECT_EQ(set.clips[i].frames.scalar_type(), torch::kUInt8);
  }
  EXPECT_NEAR(set.clips[1].fps, 10, 1e-6);
  EXPECT_EQ(set.clips[2].fps, 0) << "a folder of pictures has no speed";
  EXPECT_EQ(set.TotalFrames(), 44);
  EXPECT_EQ(set.WithLabel("good").size(), 3u);
  ASSERT_EQ(set.skipped.size(), 1u);
  EXPECT_THAT(set.skipped[0], HasSubstr("good/cut.avi: "));
  EXPECT_THAT(set.skipped[0], HasSubstr("decoding stops at frame"));
}

TEST(LoadClips, FramesAreThoseOfTheReaderShrunkAsResizeFramesDoes) {
  const TempFolder folder;
  WriteFilm(folder / "a.mp4", 20, 96, 128);
  VideoReader reader(folder / "a.mp4");
  std::vector<torch::Tensor> raw;
  for (Image frame; reader.Next(frame);) {
    raw.push_back(
        torch::from_blob(frame.pixels.data(), {frame.height, frame.width, 3}, torch::kUInt8)
            .clone());
  }
  for (const std::string mode : {"area", "bilinear"}) {
    DataOptions options = Options(folder.path());
    options.resize = mode;
    const ClipSet set = LoadClips(options);
    EXPECT_TRUE(torch::equal(set.clips[0].frames, ResizeFrames(torch::stack(raw), 32, 32, mode)))
        << mode;
  }
}

TEST(LoadClips, StrideAndLimits) {
  const TempFolder folder;
  WriteFrames(folder / "good/a", 12, 32, 32);  // f0 .. f11: natural order matters
  WriteFrames(folder / "good/b", 4, 32, 32);
  WriteFrames(folder / "random/c", 12, 32, 32);
  DataOptions options = Options(folder.path());
  options.stride = 3;
  ClipSet set = LoadClips(options);
  ASSERT_EQ(set.clips.size(), 3u);
  ASSERT_EQ(set.clips[0].frames.size(0), 4);
  for (int i = 0; i < 4; ++i) {
    const Image expected = FilmFrame(32, 32, 3 * i);
    EXPECT_EQ(std::memcmp(set.clips[0].frames[i].data_ptr(), expected.pixels.data(),
                          expected.pixels.size()),
              0);
  }
  options.min_frames = 3;
  set = LoadClips(options);
  EXPECT_THAT(NamesOf(set), ElementsAre("good/a", "random/c"));
  EXPECT_THAT(set.skipped[0], HasSubstr("good/b: has 2 frames at stride 3, data.min_frames is 3"));
  options = Options(folder.path());
  options.max_clips = 1;
  options.max_frames = 5;
  set = LoadClips(options);
  EXPECT_THAT(NamesOf(set), ElementsAre("good/a", "random/c"));
  EXPECT_EQ(set.clips[1].frames.size(0), 5);
}

TEST(LoadClips, StrideDividesTheSpeed) {
  const TempFolder folder;
  WriteFilm(folder / "a.mp4", 10, 64, 64, 20);
  DataOptions options = Options(folder / "a.mp4");
  options.stride = 2;
  const ClipSet set = LoadClips(options);
  EXPECT_NEAR(set.clips[0].fps, 10, 1e-6);
  EXPECT_EQ(set.clips[0].name, "a.mp4");
}

TEST(LoadClips, MissingEmptyAndUnusableFoldersAreErrors) {
  const TempFolder folder;
  EXPECT_THAT(UserErrorOf([&] { LoadClips(Options(folder / "none")); }),
              HasSubstr("there is no such folder"));
  EXPECT_THAT(UserErrorOf([&] { LoadClips(Options("")); }), HasSubstr("data.path"));
  EXPECT_THAT(UserErrorOf([&] { LoadClips(Options(folder.path())); }), HasSubstr("holds no video"));
  WriteFileAtomic(folder / "a.mp4", "nonsense");
  EXPECT_THAT(UserErrorOf([&] { LoadClips(Options(folder.path())); }),
              ::testing::AllOf(HasSubstr("no usable clip; 1 skipped"), HasSubstr("a.mp4")));
}

TEST(LoadClips, ABrokenPictureSkipsItsFolderAndNamesTheFrame) {
  const TempFolder folder;
  WriteFrames(folder / "a", 5, 32, 32);
  WriteFrames(folder / "b", 5, 32, 32);
  CutOffFile(folder / "a/f3.png", 0.5);
  const ClipSet set = LoadClips(Options(folder.path()));
  EXPECT_THAT(NamesOf(set), ElementsAre("b"));
  EXPECT_THAT(set.skipped[0], ::testing::AllOf(HasSubstr("a: frame 3: "), HasSubstr("f3.png")));
}

TEST(LoadClips, MemoryIsCheckedWhileDecoding) {
  const TempFolder folder;
  WriteFrames(folder / "a", 4, 32, 32);
  WriteFrames(folder / "b", 4, 32, 32);
  DataOptions options = Options(folder.path());
  const double frame_gib = 32 * 32 * 3 / 1024.0 / 1024.0 / 1024.0;
  options.max_gib = 7 * frame_gib;
  EXPECT_THAT(UserErrorOf([&] { LoadClips(options); }), HasSubstr("data.max_gib"));
  options.max_gib = 8 * frame_gib;
  EXPECT_EQ(LoadClips(options).TotalFrames(), 8);
  options.max_gib = 0;
  EXPECT_EQ(LoadClips(options).TotalFrames(), 8);
}

TEST(LoadClips, TheManifestDecidesWhatIsRead) {
  const TempFolder folder;
  WriteFilm(folder / "good/a.mp4", 6);
  WriteFilm(folder / "good/b.mp4", 6);
  WriteFrames(folder / "good/c", 6, 32, 32);
  WriteFilm(folder / "short.mp4", 6);
  Manifest manifest;
  manifest.clips = {{"good/c", "", 12.5},
                    {"good/a.mp4", "near_miss", 0, 6},
                    {"gone.mp4", "good"},
                    {"short.mp4", "good", 0, 9}};
  WriteManifest(folder / "manifest.json", manifest);
  const ClipSet set = LoadClips(Options(folder.path()));
  EXPECT_THAT(NamesOf(set), ElementsAre("good/c", "good/a.mp4"));
  EXPECT_EQ(set.clips[0].label, "good");
  EXPECT_EQ(set.clips[0].fps, 12.5);
  EXPECT_EQ(set.clips[1].label, "near_miss");
  EXPECT_EQ(set.clips[1].fps, 25);
  ASSERT_EQ(set.skipped.size(), 2u);
  EXPECT_THAT(set.skipped[0], HasSubstr("gone.mp4: "));
  EXPECT_THAT(set.skipped[1], HasSubstr("has 6 frames, manifest.json says 9"));
}

TEST(LoadClips, FilmsOfTheRendererAreReadWhereItSamples) {
  const TempFolder folder;
  WriteFrames(folder / "good/a", 3, 96, 96);
  Manifest manifest;
  manifest.clips = {{"good/a"}};
  const auto load = [&](ManifestRender render) {
    manifest.render = render;
    WriteManifest(folder / "manifest.json", manifest);
    return LoadClips(Options(folder.path())).clips[0].frames;
  };
  std::vector<torch::Tensor> raw;
  for (int t = 0; t < 3; ++t) {
    Image image = FilmFrame(96, 96, t);
    raw.push_back(torch::from_blob(image.pixels.data(), {96, 96, 3}, torch::kUInt8).clone());
  }
  const auto film = torch::stack(raw);
  using torch::indexing::Slice;
  const auto sampled =
      film.index({Slice(), Slice(1, torch::indexing::None, 3), Slice(1, torch::indexing::None, 3)});
  EXPECT_TRUE(torch::equal(load({32, 1}), sampled)) << "every third pixel, the middle one";
  EXPECT_TRUE(torch::equal(load({16, 2}),
                           ResizeFrames(ResizeFrames(sampled, 16, 16, "area"), 32, 32, "area")));
  EXPECT_FALSE(torch::equal(load({}), sampled));
}

TEST(LoadClips, ReportsProgressAndStopsWhenAsked) {
  const TempFolder folder;
  WriteFrames(folder / "a", 3, 32, 32);
  WriteFrames(folder / "b", 3, 32, 32);
  std::vector<ProgressEvent> events;
  SetProgressSink([&](const ProgressEvent& event) { events.push_back(event); });
  LoadClips(Options(folder.path()));
  SetProgressSink({});
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().task, "loading clips");
  EXPECT_EQ(events.back().total, 2);
  EXPECT_TRUE(events.back().finished);
  RequestInterrupt(true);
  EXPECT_THROW(LoadClips(Options(folder.path())), Interrupted);
  RequestInterrupt(false);
}

}  // namespace
}  // namespace v2r
