// One picture in float, as the augmentation works on it: small enough to stay in a core's cache, no
// torch threads.
#pragma once

#include <cstdint>

namespace v2r {

// Planes R, G, B of height x width floats, contiguous: what a [3,H,W] tensor holds. Not owned.
struct Picture {
  float* data = nullptr;
  int64_t height = 0, width = 0;
  int64_t pixels() const { return height * width; }
  int64_t floats() const { return 3 * height * width; }
  float* plane(int64_t channel) const { return data + channel * height * width; }
};

}  // namespace v2r
