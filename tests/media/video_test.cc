#include "media/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

#include "core/error.h"
#include "media/container.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// RIFF chunk: four letters, little-endian size, body.
std::string Chunk(const std::string& name, const std::string& body) {
  std::string size(4, '\0');
  for (int i = 0; i < 4; ++i) size[i] = static_cast<char>(body.size() >> (8 * i) & 0xFF);
  return name + size + body;
}
std::string Words(std::initializer_list<uint32_t> words) {
  std::string bytes;
  for (const uint32_t w : words) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(w >> (8 * i) & 0xFF);
  }
  return bytes;
}
// An AVI with the headers of a 64x64 MJPG film and no frame.
std::string AviWithoutFrames() {
  const std::string avih = Words({40000, 0, 0, 0x10, 0, 0, 1, 0, 64, 64, 0, 0, 0, 0});
  const std::string strh = "vidsMJPG" + Words({0, 0, 0, 1, 25, 0, 0, 0, 0, 0, 0, 0});
  const std::string strf = Words({40, 64, 64, 1 | 24 << 16, 0x47504A4D, 64 * 64 * 3, 0, 0, 0, 0});
  const std::string strl = Chunk("LIST", "strl" + Chunk("strh", strh) + Chunk("strf", strf));
  const std::string hdrl = Chunk("LIST", "hdrl" + Chunk("avih", avih) + strl);
  return Chunk("RIFF", "AVI " + hdrl + Chunk("LIST", "movi"));
}

struct Format {
  std::string extension, codec;
  double rmse;
};
class VideoFormat : public ::testing::TestWithParam<Format> {};

TEST_P(VideoFormat, RoundTripKeepsCountSizeSpeedAndPixels) {
  const TempFolder folder;
  const auto path = folder / ("film" + GetParam().extension);
  VideoWriter writer(path, 25, 128, 160);
  EXPECT_EQ(writer.codec(), GetParam().codec);
  for (int t = 0; t < 20; ++t) writer.Write(FilmFrame(128, 160, t).view());
  EXPECT_FALSE(std::filesystem::exists(path)) << "the final name appears on Close() only";
  writer.Close();
  EXPECT_EQ(folder.Names().size(), 1u);

  VideoReader reader(path);
  EXPECT_NEAR(reader.fps(), 25, 1e-3);
  EXPECT_NEAR(static_cast<double>(reader.frame_count_hint()), 20, 1);
  Image frame;
  int count = 0;
  for (; reader.Next(frame); ++count) {
    ASSERT_EQ(frame.height, 128);
    ASSERT_EQ(frame.width, 160);
    EXPECT_LT(Rmse(frame, FilmFrame(128, 160, count)), GetParam().rmse) << "frame " << count;
  }
  EXPECT_EQ(count, 20);
  EXPECT_FALSE(reader.Next(frame)) << "the end stays the end";
}
INSTANTIATE_TEST_SUITE_P(All, VideoFormat,
                         ::testing::Values(Format{".mp4", "avc1", 6}, Format{".webm", "vp09", 6},
                                           Format{".avi", "MJPG", 6}, Format{".mkv", "FFV1", 1e-9}),
                         [](const auto& info) { return info.param.codec; });

// Colours at half resolution and limited range are what YUV costs: RGB has neither.
TEST(VideoFormat, H264InRgbIsSeveralTimesCloser) {
  const TempFolder folder;
  const auto error = [&](bool rgb) {
    VideoWriter writer(folder / "a.mp4", 25, 128, 160, {.crf = 10, .rgb = rgb});
    for (int t = 0; t < 5; ++t) writer.Write(FilmFrame(128, 160, t).view());
    writer.Close();
    VideoReader reader(folder / "a.mp4");
    double sum = 0;
    Image frame;
    for (int t = 0; reader.Next(frame); ++t) sum += Rmse(frame, FilmFrame(128, 160, t)) / 5;
    return sum;
  };
  EXPECT_LT(error(true), 0.5 * error(false));
}

// Whatever was in the memory that an encoder gets: it is filled with another byte each time.
TEST(VideoWriter, TheSamePicturesGiveTheSameBytes) {
  const TempFolder folder;
  // Resembles a film of an arm: little moves, in steps that grow smaller.
  const auto picture = [](int t) {
    Image image = FilmFrame(64, 64, 0);
    const int x0 = 8 + t * (60 - t) / 30, y0 = 40 - t / 2;
    for (int y = y0; y < y0 + 6; ++y) {
      for (int x = x0; x < x0 + 9; ++x) image.pixels[(static_cast<size_t>(y) * 64 + x) * 3] = 250;
    }
    return image;
  };
  for (const char* extension : {".mp4", ".webm", ".avi", ".mkv"}) {
    for (const bool rgb : {false, true}) {
      std::string first;
      for (int k = 0; k < 6; ++k) {
        mallopt(M_PERTURB, 1 + 50 * k);
        const auto path = folder / ("a" + std::string(extension));
        VideoWriter writer(path, 25, 64, 64, {.crf = 14, .rgb = rgb});
        for (int t = 0; t < 31; ++t) writer.Write(picture(t).view());
        writer.Close();
        mallopt(M_PERTURB, 0);
        if (k == 0) first = ReadFile(path);
        ASSERT_EQ(ReadFile(path), first) << extension << " written again, number " << k;
      }
    }
  }
}

TEST(VideoWriter, ALowerCrfIsALargerFilm) {
  const TempFolder folder;
  const auto size = [&](const char* name, int crf) {
    VideoWriter writer(folder / name, 25, 96, 96, {.crf = crf});
    for (int t = 0; t < 12; ++t) writer.Write(FilmFrame(96, 96, t).view());
    writer.Close();
    return std::filesystem::file_size(folder / name);
  };
  for (const char* name : {"a.mp4", "a.webm"}) EXPECT_GT(size(name, 10), size(name, 40)) << name;
}

TEST(VideoFormat, FlatColoursKeepTheirBrightness) {
  const TempFolder folder;
  // 8 x 8 patches of 32 pixels: no edge of a codec's block lies within one.
  Image image(256, 256);
  for (int y = 0; y < 256; ++y) {
    for (int x = 0; x < 256; ++x) {
      const uint32_t patch = static_cast<uint32_t>(y / 32 * 8 + x / 32) * 2654435761u;
      for (int c = 0; c < 3; ++c) {
        image.pixels[(y * 256 + x) * 3 + c] =
            static_cast<uint8_t>(60 + (patch >> (8 + 7 * c)) % 120);
      }
    }
  }
  for (const char* name : {"a.mp4", "a.webm", "a.avi"}) {
    VideoWriter writer(folder / name, 25, 256, 256);
    for (int t = 0; t < 3; ++t) writer.Write(image.view());
    writer.Close();
    Image back;
    VideoReader(folder / name).Next(back);
    for (int c = 0; c < 3; ++c) {
      double bias = 0;
      for (int y = 16; y < 256; y += 32) {
        for (int x = 16; x < 256; x += 32) {
          const int at = (y * 256 + x) * 3 + c;
          bias += (static_cast<double>(back.pixels[at]) - image.pixels[at]) / 64;
        }
      }
      EXPECT_LT(std::abs(bias), 0.8) << name << " colour " << c;
    }
  }
}

TEST(VideoReader, SkippedFramesAreTheOnesNotHandedOut) {
  const TempFolder folder;
  const auto path = folder / "a.mp4";
  WriteFilm(path, 9);
  VideoReader all(path), some(path);
  Image expected, actual;
  for (int t = 0; t < 9; ++t) {
    ASSERT_TRUE(all.Next(expected));
    if (t % 3 != 0) {
      ASSERT_TRUE(some.Skip());
      continue;
    }
    ASSERT_TRUE(some.Next(actual));
    EXPECT_EQ(actual.pixels, expected.pixels) << "frame " << t;
  }
  EXPECT_FALSE(some.Skip());
}

TEST(VideoReader, NamesWhatIsWrongWithAFileThatIsNoVideo) {
  const TempFolder folder;
  WriteFileAtomic(folder / "empty.mp4", "");
  WriteFileAtomic(folder / "text.mp4", "this is not a film, although it is named so");
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder / "none.mp4"); }),
              HasSubstr("none.mp4: there is no such video"));
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder / "empty.mp4"); }),
              HasSubstr("empty.mp4: the file is empty"));
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder / "text.mp4"); }),
              HasSubstr("text.mp4: cannot be opened"));
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder.path()); }), HasSubstr("is not a video file"));
}

TEST(VideoReader, AFilmWithoutFramesIsAnError) {
  const TempFolder folder;
  WriteFileAtomic(folder / "zero.avi", AviWithoutFrames());
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder / "zero.avi"); }),
              HasSubstr("zero.avi: has no frame that can be decoded"));
}

TEST(VideoReader, ACutOffFilmNamesTheFrame) {
  for (const std::string name : {"cut.avi", "cut.webm", "cut.mkv"}) {
    SCOPED_TRACE(name);
    const TempFolder folder;
    WriteFilm(folder / name, 40, 128, 128);
    CutOffFile(folder / name, 0.6);
    int decoded = 0;
    const std::string message = UserErrorOf([&] {
      VideoReader reader(folder / name);
      Image frame;
      while (reader.Next(frame)) ++decoded;
    });
    EXPECT_GT(decoded, 5);
    EXPECT_LT(decoded, 40);
    EXPECT_THAT(message, HasSubstr(name));
    EXPECT_THAT(message, HasSubstr("decoding stops at frame " + std::to_string(decoded)));
    EXPECT_THAT(message, HasSubstr("cut off"));
  }
}

TEST(VideoReader, ACutOffMp4SaysThatTheRecordingWasNotFinished) {
  const TempFolder folder;
  WriteFilm(folder / "cut.mp4", 20);
  CutOffFile(folder / "cut.mp4", 0.6);
  EXPECT_THAT(UserErrorOf([&] { VideoReader(folder / "cut.mp4"); }), HasSubstr("cut off"));
}

TEST(VideoReader, AFilmCutByItsEditListIsWhole) {
  const TempFolder folder;
  WriteFilm(folder / "a.mp4", 40);
  EXPECT_DOUBLE_EQ(InspectContainer(folder / "a.mp4").shown_share, 1);
  // Halves the shown duration, as a player's "trim" does: box name, version, number of entries,
  // duration.
  std::string bytes = ReadFile(folder / "a.mp4");
  const size_t at = bytes.find("elst");
  ASSERT_NE(at, std::string::npos);
  uint32_t duration = 0;
  for (size_t i = 12; i < 16; ++i) duration = duration << 8 | static_cast<uint8_t>(bytes[at + i]);
  for (size_t i = 0; i < 4; ++i)
    bytes[at + 12 + i] = static_cast<char>(duration / 2 >> (24 - 8 * i) & 0xFF);
  WriteFileAtomic(folder / "trimmed.mp4", bytes);
  EXPECT_NEAR(InspectContainer(folder / "trimmed.mp4").shown_share, 0.5, 0.01);
  int count = 0;
  VideoReader reader(folder / "trimmed.mp4");
  for (Image frame; reader.Next(frame);) ++count;
  EXPECT_NEAR(count, 20, 2);
}

TEST(VideoReader, AHoleInTheFilmNamesTheFrame) {
  const TempFolder folder;
  WriteFilm(folder / "hole.avi", 40, 128, 128);
  EXPECT_EQ(InspectContainer(folder / "hole.avi").pictures, 40);
  std::string bytes = ReadFile(folder / "hole.avi");
  const size_t from = bytes.size() / 3;
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.size() / 3, '\0');
  WriteFileAtomic(folder / "hole.avi", bytes);
  EXPECT_THAT(UserErrorOf([&] {
                VideoReader reader(folder / "hole.avi");
                for (Image frame; reader.Next(frame);) {
                }
              }),
              HasSubstr("the film is damaged there"));
}

TEST(VideoReader, NothingIsPrintedOnStderr) {
  const TempFolder folder;
  WriteFilm(folder / "cut.mp4", 20);
  WriteFilm(folder / "cut.avi", 20);
  CutOffFile(folder / "cut.mp4", 0.5);
  CutOffFile(folder / "cut.avi", 0.5);
  WriteFileAtomic(folder / "text.avi", "RIFF of reason");
  ::testing::internal::CaptureStderr();
  for (const std::string name : {"cut.mp4", "cut.avi", "text.avi"}) {
    EXPECT_THROW(
        {
          VideoReader reader(folder / name);
          Image frame;
          while (reader.Next(frame)) {
          }
        },
        UserError);
  }
  for (const std::string extension : {".mp4", ".webm", ".avi", ".mkv"})
    WriteFilm(folder / ("good" + extension), 3);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(VideoWriter, WithoutCloseNothingStays) {
  const TempFolder folder;
  {
    VideoWriter writer(folder / "a.mp4", 25, 64, 64);
    writer.Write(FilmFrame(64, 64, 0).view());
    EXPECT_EQ(folder.Names().size(), 1u);
  }
  EXPECT_THAT(folder.Names(), IsEmpty());
}

TEST(VideoWriter, AnOldFilmStaysUntilTheNewOneIsWhole) {
  const TempFolder folder;
  WriteFilm(folder / "a.mp4", 4);
  { VideoWriter writer(folder / "a.mp4", 25, 64, 64); }
  int count = 0;
  VideoReader reader(folder / "a.mp4");
  for (Image frame; reader.Next(frame);) ++count;
  EXPECT_EQ(count, 4);
}

TEST(VideoWriter, ASimulatedFullDiskIsAnErrorAndLeavesNothing) {
  const TempFolder folder;
  setenv("V2R_SIMULATE_DISK_FULL", "full.mp4", 1);
  const std::string message = UserErrorOf([&] { WriteFilm(folder / "full.mp4", 5); });
  WriteFilm(folder / "other.mp4", 5);
  unsetenv("V2R_SIMULATE_DISK_FULL");
  EXPECT_THAT(message, HasSubstr("full.mp4: the video cannot be written: No space left on device"));
  EXPECT_THAT(folder.Names(), ::testing::ElementsAre("other.mp4"));
}

TEST(VideoWriter, AWriteThatTheSystemRefusesIsAnErrorAndLeavesNothing) {
  const TempFolder folder;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::vector<std::string> messages;
  for (const std::string name : {"a.mp4", "a.webm", "a.avi", "a.mkv"}) {
    messages.push_back(UserErrorOf([&] { WriteFilm(folder / name, 60, 128, 128); }));
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  for (const auto& message : messages)
    EXPECT_THAT(message, HasSubstr("the video cannot be written"));
  EXPECT_THAT(folder.Names(), IsEmpty());
}

TEST(VideoWriter, RefusesWhatNoCodecTakes) {
  const TempFolder folder;
  EXPECT_THAT(UserErrorOf([&] { VideoWriter(folder / "a.mp4", 25, 63, 64); }),
              HasSubstr("even height and width"));
  EXPECT_THAT(UserErrorOf([&] { VideoWriter(folder / "a.gif", 25, 64, 64); }),
              HasSubstr("'.gif' (known: .mp4"));
  EXPECT_THAT(UserErrorOf([&] { VideoWriter(folder / "a.mp4", 0, 64, 64); }),
              HasSubstr("frames a second"));
  EXPECT_THAT(UserErrorOf([&] { VideoWriter(folder / "none/a.mp4", 25, 64, 64); }),
              HasSubstr("No such file or directory"));
  VideoWriter writer(folder / "b.mp4", 25, 64, 64);
  EXPECT_THROW(writer.Write(FilmFrame(32, 64, 0).view()), Error);
  EXPECT_THROW(writer.Close(), Error) << "no frame was written";
}

}  // namespace
}  // namespace v2r
