#include "app/sheet.h"

#include <algorithm>

#include "core/error.h"
#include "media/draw.h"

namespace v2r {
namespace {

constexpr int kTile = 128;  // least side of a picture
constexpr int kTitle = 18;  // strip above it
constexpr double kTextScale = 0.5;
constexpr Color kWhite = {255, 255, 255};

}  // namespace

int TileScale(int64_t size) {
  return (kTile + static_cast<int>(size) - 1) / static_cast<int>(size);
}

Image FrameImage(const torch::Tensor& picture, int side) {
  const torch::Tensor bytes = (picture.clamp(0, 1).permute({1, 2, 0}) * 255)
                                  .round()
                                  .to(torch::kCPU, torch::kByte)
                                  .repeat_interleave(side, 0)
                                  .repeat_interleave(side, 1)
                                  .contiguous();
  Image image(static_cast<int>(bytes.size(0)), static_cast<int>(bytes.size(1)));
  std::copy_n(bytes.const_data_ptr<uint8_t>(), image.pixels.size(), image.pixels.begin());
  return image;
}

Image TileRow(const std::vector<TitledTile>& tiles) {
  V2R_CHECK(!tiles.empty(), "no tile");
  const int width = tiles[0].second.width;
  Image row(tiles[0].second.height + kTitle, width * static_cast<int>(tiles.size()));
  int x = 0;
  for (const auto& [title, image] : tiles) {
    DrawText(row, title, x + 3, kTitle - 5, kTextScale, kWhite);
    Paste(row, image.view(), x, kTitle);
    x += width;
  }
  return row;
}

Image Stacked(const std::vector<Image>& rows) {
  V2R_CHECK(!rows.empty(), "no row");
  int height = 0;
  for (const Image& row : rows) height += row.height;
  Image sheet(height, rows[0].width);
  int y = 0;
  for (const Image& row : rows) {
    Paste(sheet, row.view(), 0, y);
    y += row.height;
  }
  return sheet;
}

std::vector<FrameIndex> SpreadOverClip(const ClipSet& clips, int64_t clip, int64_t count) {
  const int64_t length = clips.clips[clip].frames.size(0);
  count = std::min(count, length);
  std::vector<FrameIndex> frames;
  for (int64_t i = 0; i < count; ++i) {
    frames.push_back({clip, count > 1 ? i * (length - 1) / (count - 1) : 0});
  }
  return frames;
}

std::string FileNameOf(const Clip& clip) {
  std::string name = clip.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

}  // namespace v2r
