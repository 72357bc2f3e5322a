#include "media/ops_color.h"

#include <algorithm>
#include <cmath>

namespace v2r {
namespace {

inline float Cut(float x) { return std::min(std::max(x, 0.0f), 1.0f); }
inline float Gray(float r, float g, float b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }
inline float Fraction(float turns) { return turns - std::floor(turns); }

// x = factor * x + (1 - factor) * base.
void BlendPlane(float* x, float base, float factor, int64_t n) {
  const float rest = (1 - factor) * base;
  for (int64_t i = 0; i < n; ++i) x[i] = Cut(factor * x[i] + rest);
}

double Mean(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum / static_cast<double>(n);
}

// One channel of HSV -> RGB: it falls to v - chroma on a third of the circle, stays at v on
// another, and is linear between.
inline float Channel(float sixths, float offset, float value, float chroma) {
  float k = sixths + offset;
  k = k >= 6 ? k - 6 : k;
  return Cut(value - chroma * Cut(std::min(k, 4 - k)));
}

}  // namespace

void Grayscale(const Picture& x) {
  float *r = x.plane(0), *g = x.plane(1), *b = x.plane(2);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) r[i] = Gray(r[i], g[i], b[i]);
  std::copy_n(r, n, g);
  std::copy_n(r, n, b);
}

void AdjustBrightness(const Picture& x, float factor) { BlendPlane(x.data, 0, factor, x.floats()); }

void AdjustContrast(const Picture& x, float factor) {
  const int64_t n = x.pixels();
  const double mean =
      0.2989 * Mean(x.plane(0), n) + 0.587 * Mean(x.plane(1), n) + 0.114 * Mean(x.plane(2), n);
  BlendPlane(x.data, static_cast<float>(mean), factor, x.floats());
}

void AdjustSaturation(const Picture& x, float factor) {
  float* __restrict r = x.plane(0);
  float* __restrict g = x.plane(1);
  float* __restrict b = x.plane(2);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) {
    const float rest = (1 - factor) * Gray(r[i], g[i], b[i]);
    r[i] = Cut(factor * r[i] + rest);
    g[i] = Cut(factor * g[i] + rest);
    b[i] = Cut(factor * b[i] + rest);
  }
}

void AdjustHue(const Picture& x, float turns) {
  RgbToHsv(x);
  const float shift = Fraction(turns);
  float* hue = x.plane(0);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) {
    const float h = hue[i] + shift;
    hue[i] = h >= 1 ? h - 1 : h;
  }
  HsvToRgb(x);
}

void Invert(const Picture& x) {
  const int64_t n = x.floats();
  for (int64_t i = 0; i < n; ++i) x.data[i] = 1 - x.data[i];
}

void Solarize(const Picture& x, float threshold) {
  const int64_t n = x.floats();
  for (int64_t i = 0; i < n; ++i) x.data[i] = x.data[i] >= threshold ? 1 - x.data[i] : x.data[i];
}

void AddBrightness(const Picture& x, float delta) {
  const int64_t n = x.floats();
  for (int64_t i = 0; i < n; ++i) x.data[i] = Cut(x.data[i] + delta);
}

void AdjustContrastPerChannel(const Picture& x, float factor) {
  for (int64_t c = 0; c < 3; ++c) {
    BlendPlane(x.plane(c), static_cast<float>(Mean(x.plane(c), x.pixels())), factor, x.pixels());
  }
}

void AdjustSaturationHsv(const Picture& x, float factor) {
  RgbToHsv(x);
  float* saturation = x.plane(1);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) saturation[i] = Cut(saturation[i] * factor);
  HsvToRgb(x);
}

void RgbToHsv(const Picture& x) {
  float* __restrict red = x.plane(0);
  float* __restrict green = x.plane(1);
  float* __restrict blue = x.plane(2);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) {
    const float r = red[i], g = green[i], b = blue[i];
    const float value = std::max(r, std::max(g, b));
    const float chroma = value - std::min(r, std::min(g, b));
    // Position within the sixth of the circle that the largest channel names; red wins ties, then
    // green.
    const float step = value == r ? g - b : value == g ? b - r : r - g;
    const float start = value == r ? 0.0f : value == g ? 2.0f : 4.0f;
    float sixths = step / (chroma == 0 ? 1.0f : chroma) + start;
    sixths = sixths < 0 ? sixths + 6 : sixths;
    const float hue = sixths * (1.0f / 6);
    red[i] = hue >= 1 ? hue - 1 : hue;
    green[i] = chroma / (value == 0 ? 1.0f : value);
    blue[i] = value;
  }
}

void HsvToRgb(const Picture& x) {
  float* __restrict h = x.plane(0);
  float* __restrict s = x.plane(1);
  float* __restrict v = x.plane(2);
  const int64_t n = x.pixels();
  for (int64_t i = 0; i < n; ++i) {
    const float sixths = h[i] * 6, value = v[i], chroma = s[i] * value;
    h[i] = Channel(sixths, 5, value, chroma);
    s[i] = Channel(sixths, 3, value, chroma);
    v[i] = Channel(sixths, 1, value, chroma);
  }
}

}  // namespace v2r
