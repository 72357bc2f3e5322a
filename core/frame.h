// Plain views of pictures: what passes between folders that do not share an image library. RGB, uint8, row-major HWC.
#pragma once

#include <cstdint>
#include <vector>

namespace v2r {

// [height, width, 3] uint8 RGB, contiguous, not owned.
struct ImageView {
  const uint8_t* data = nullptr;
  int height = 0;
  int width = 0;
  size_t bytes() const { return static_cast<size_t>(height) * width * 3; }
};

// [height, width, 3] uint8 RGB, contiguous, owned.
struct Image {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;
  Image() = default;
  Image(int h, int w) : height(h), width(w), pixels(static_cast<size_t>(h) * w * 3) {}
  ImageView view() const { return {pixels.data(), height, width}; }
};

}  // namespace v2r
