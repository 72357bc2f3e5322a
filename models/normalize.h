// From camera bytes to network input in one pass: colour order, scale and shift, number type.
#pragma once

#include <cstdint>

namespace v2r {

// value = pixel * scale[c] + shift[c]
struct PixelScale {
  float scale[3];
  float shift[3];
};

// in: `stack` pictures of `pixels` RGB pixels, uint8 [stack, pixels, 3]; out [pixels, stack * 3]
// (channels-last).
void NormalizePicture(const uint8_t* in, int64_t stack, int64_t pixels, const PixelScale& scale,
                      float* out);
// The same rounded to bfloat16 (nearest even), as its 16 bits.
void NormalizePictureBf16(const uint8_t* in, int64_t stack, int64_t pixels, const PixelScale& scale,
                          uint16_t* out);

}  // namespace v2r
