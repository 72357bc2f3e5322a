#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "media/video.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

TEST(Image, PngRoundTripIsExact) {
  const TempFolder folder;
  const Image image = FilmFrame(37, 51, 3);
  WritePng(folder / "a.png", image.view());
  const Image back = ReadImage(folder / "a.png");
  EXPECT_EQ(back.height, 37);
  EXPECT_EQ(back.width, 51);
  EXPECT_EQ(back.pixels, image.pixels);
  EXPECT_EQ(EncodePng(image.view()), ReadFile(folder / "a.png"));
}

TEST(Image, DamageIsNamedAndNothingIsPrinted) {
  const TempFolder folder;
  const std::string png = EncodePng(FilmFrame(64, 64, 0).view());
  std::string flipped = png;
  flipped[png.size() / 2] = static_cast<char>(flipped[png.size() / 2] ^ 0x55);
  WriteFileAtomic(folder / "cut.png", png.substr(0, png.size() / 2));
  WriteFileAtomic(folder / "flipped.png", flipped);
  WriteFileAtomic(folder / "cut.jpg", std::string("\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01", 13));
  WriteFileAtomic(folder / "text.png", "no picture");
  WriteFileAtomic(folder / "empty.png", "");
  ::testing::internal::CaptureStderr();
  const auto message = [&](const std::string& name) {
    return UserErrorOf([&] { ReadImage(folder / name); });
  };
  EXPECT_THAT(message("cut.png"),
              HasSubstr("cut.png: cannot be read as a picture: the file is cut off"));
  EXPECT_THAT(message("flipped.png"), HasSubstr("wrong checksum"));
  EXPECT_THAT(message("cut.jpg"), HasSubstr("JPEG end marker is missing"));
  EXPECT_THAT(message("text.png"), HasSubstr("no picture format"));
  EXPECT_THAT(message("empty.png"), HasSubstr("empty"));
  EXPECT_THAT(message("none.png"), HasSubstr("none.png"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Image, AFullDiskLeavesNoPicture) {
  const TempFolder folder;
  setenv("V2R_SIMULATE_DISK_FULL", "full.png", 1);
  EXPECT_THROW(WritePng(folder / "full.png", FilmFrame(16, 16, 0).view()), UserError);
  unsetenv("V2R_SIMULATE_DISK_FULL");
  EXPECT_THAT(folder.Names(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace v2r
