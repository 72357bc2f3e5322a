// Drawing on pictures: text and curves for videos and reports.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "core/frame.h"

namespace v2r {

using Color = std::array<uint8_t, 3>;  // RGB

void FillRect(Image& image, int x, int y, int width, int height, Color color);
// Baseline-left text; `scale` 1.0 is about 22 px high.
void DrawText(Image& image, const std::string& text, int x, int y, double scale, Color color);
// Values as a curve inside the box: index 0 at the left, `total` values span the width, low..high the height. NaN breaks the line.
void DrawCurve(Image& image, std::span<const float> values, int64_t total, float low, float high, int x, int y,
               int width, int height, Color color);
// Copies `from` into `image` at x, y (clipped).
void Paste(Image& image, ImageView from, int x, int y);

}  // namespace v2r
