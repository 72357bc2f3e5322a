#include "media/ops_geometry.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/resize.h"

// -O2 alone does not use the processor's vectors in these loops.
#define V2R_HOT __attribute__((optimize("O3")))

namespace v2r {
namespace {

V2R_HOT void AddScaled(float* __restrict to, const float* __restrict from, float weight,
                       int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

// Where position i of a line of n pixels comes from when the line is mirrored at its ends (the end
// itself not doubled).
int64_t Mirror(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return std::min(i, period - i);
}

std::vector<float> GaussianTaps(double sigma, int64_t radius) {
  std::vector<double> taps(2 * radius + 1);
  double sum = 0;
  for (int64_t j = -radius; j <= radius; ++j) {
    const double x = static_cast<double>(j) / sigma;
    sum += taps[j + radius] = std::exp(-0.5 * x * x);
  }
  std::vector<float> result;
  for (const double tap : taps) result.push_back(static_cast<float>(tap / sum));
  return result;
}

void GaussianBlur(const Picture& x, double sigma, int64_t radius, bool mirror) {
  const auto taps = GaussianTaps(sigma, radius);
  const int64_t height = x.height, width = x.width;
  std::vector<float> line(width + 2 * radius), across(x.pixels());
  for (int64_t c = 0; c < 3; ++c) {
    float* plane = x.plane(c);
    std::fill(across.begin(), across.end(), 0.0f);
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t i = -radius; i < width + radius; ++i) {
        const bool inside = i >= 0 && i < width;
        line[i + radius] =
            inside || mirror ? plane[y * width + (inside ? i : Mirror(i, width))] : 0.0f;
      }
      for (int64_t j = 0; j <= 2 * radius; ++j)
        AddScaled(&across[y * width], &line[j], taps[j], width);
    }
    std::fill_n(plane, x.pixels(), 0.0f);
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t j = -radius; j <= radius; ++j) {
        const bool inside = y + j >= 0 && y + j < height;
        if (!inside && !mirror) continue;
        const int64_t from = inside ? y + j : Mirror(y + j, height);
        AddScaled(plane + y * width, &across[from * width], taps[j + radius], width);
      }
    }
  }
}

// One pass of Gwosdek et al. 2011, "Theoretical foundations of Gaussian convolution by extended box
// filtering": a box of fractional width. Weights in units of 2^-24 and computed in float32 as
// Pillow has them: they decide which way ties are rounded.
struct ExtendedBox {
  int64_t whole = 0;  // pixels either side of weight `inner`; one more of weight `outer`
  int64_t inner = 0, outer = 0;

  explicit ExtendedBox(double sigma) {
    const auto variance = static_cast<float>(sigma * sigma / 3);
    const auto l = static_cast<float>(std::floor((std::sqrt(12.0 * variance + 1) - 1) / 2));
    const float radius =
        l + (2 * l + 1) * (l * (l + 1) - 3 * variance) / (6 * (variance - (l + 1) * (l + 1)));
    constexpr int64_t kUnit = 1 << 24;
    whole = static_cast<int64_t>(radius);
    inner = static_cast<int64_t>(static_cast<float>(kUnit) / (radius * 2 + 1));
    outer = (kUnit - (2 * whole + 1) * inner) / 2;
  }
  // A line of n grey levels `step` apart, the edge repeated.
  void Run(int64_t* levels, int64_t n, int64_t step, std::vector<int64_t>& line) const {
    line.resize(n);
    for (int64_t i = 0; i < n; ++i) line[i] = levels[i * step];
    const auto at = [&](int64_t i) { return line[std::clamp<int64_t>(i, 0, n - 1)]; };
    for (int64_t i = 0; i < n; ++i) {
      int64_t sum = 0;
      for (int64_t j = -whole; j <= whole; ++j) sum += at(i + j);
      levels[i * step] =
          (sum * inner + (at(i - whole - 1) + at(i + whole + 1)) * outer + (1 << 23)) >> 24;
    }
  }
};

void PillowBlur(const Picture& x, double sigma) {
  const ExtendedBox box(sigma);
  std::vector<int64_t> levels(x.pixels()), line;
  for (int64_t c = 0; c < 3; ++c) {
    float* plane = x.plane(c);
    for (int64_t i = 0; i < x.pixels(); ++i) levels[i] = std::lround(plane[i] * 255);
    for (int pass = 0; pass < 3; ++pass) {
      for (int64_t y = 0; y < x.height; ++y) box.Run(&levels[y * x.width], x.width, 1, line);
    }
    for (int pass = 0; pass < 3; ++pass) {
      for (int64_t i = 0; i < x.width; ++i) box.Run(&levels[i], x.height, x.width, line);
    }
    for (int64_t i = 0; i < x.pixels(); ++i) plane[i] = static_cast<float>(levels[i]) / 255;
  }
}

// The nonzero part of each row of a matrix of weights.
struct Taps {
  std::vector<int64_t> first, count;
  torch::Tensor weights;
  explicit Taps(torch::Tensor matrix) : weights(std::move(matrix)) {
    const int64_t columns = weights.size(1);
    for (int64_t r = 0; r < weights.size(0); ++r) {
      const float* row = weights.data_ptr<float>() + r * columns;
      int64_t from = 0, to = columns;
      while (from < to && row[from] == 0) ++from;
      while (to > from && row[to - 1] == 0) --to;
      first.push_back(from);
      count.push_back(to - from);
    }
  }
  const float* row(int64_t r) const {
    return weights.data_ptr<float>() + r * weights.size(1) + first[r];
  }
};

int64_t Round(double x) { return static_cast<int64_t>(std::nearbyint(x)); }

}  // namespace

void ResizedCrop(const Picture& x, const CropBox& box, const std::string& mode,
                 const Picture& out) {
  const Taps rows(ResizeWeights(x.height, out.height, mode, box.top, box.height));
  const Taps columns(ResizeWeights(x.width, out.width, mode, box.left, box.width));
  // Rows first; the result lies on its side, so that the columns too are sums of contiguous lines.
  std::vector<float> line(x.width), side(x.width * out.height), column(out.height);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      std::fill(line.begin(), line.end(), 0.0f);
      for (int64_t k = 0; k < rows.count[y]; ++k) {
        AddScaled(line.data(), x.plane(c) + (rows.first[y] + k) * x.width, rows.row(y)[k], x.width);
      }
      for (int64_t i = 0; i < x.width; ++i) side[i * out.height + y] = line[i];
    }
    float* to = out.plane(c);
    for (int64_t i = 0; i < out.width; ++i) {
      std::fill(column.begin(), column.end(), 0.0f);
      for (int64_t k = 0; k < columns.count[i]; ++k) {
        AddScaled(column.data(), &side[(columns.first[i] + k) * out.height], columns.row(i)[k],
                  out.height);
      }
      for (int64_t y = 0; y < out.height; ++y) to[y * out.width + i] = column[y];
    }
  }
}

void FlipHorizontal(const Picture& x) {
  for (int64_t line = 0; line < 3 * x.height; ++line) {
    std::reverse(x.data + line * x.width, x.data + (line + 1) * x.width);
  }
}

void Shift(const Picture& x, int64_t down, int64_t right, const Picture& out) {
  V2R_CHECK(out.height == x.height && out.width == x.width, "{}x{} into {}x{}", x.height, x.width,
            out.height, out.width);
  const int64_t width = x.width;
  right = std::clamp(right, -width, width);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < x.height; ++y) {
      const float* from = x.plane(c) + std::clamp<int64_t>(y - down, 0, x.height - 1) * width;
      float* to = out.plane(c) + y * width;
      const int64_t kept = width - std::abs(right);
      std::copy_n(from + std::max<int64_t>(0, -right), kept, to + std::max<int64_t>(0, right));
      if (right > 0) std::fill_n(to, right, from[0]);
      if (right < 0) std::fill_n(to + kept, -right, from[width - 1]);
    }
  }
}

void Blur(const Picture& x, double sigma, int64_t radius, const std::string& kind) {
  V2R_CHECK(sigma > 0 && radius >= 0, "sigma {} radius {}", sigma, radius);
  if (kind == "pillow") return PillowBlur(x, sigma);
  V2R_CHECK(kind == "gaussian" || kind == "simclr", "unknown blur kind '{}'", kind);
  GaussianBlur(x, sigma, radius, kind == "gaussian");
}

void Erase(const Picture& x, const CropBox& box, float value) {
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = box.top; y < box.top + box.height; ++y) {
      std::fill_n(x.plane(c) + y * x.width + box.left, box.width, value);
    }
  }
}

void Affine(const Picture& x, const AffineMap& map, const std::string& mode,
            std::optional<float> fill, const Picture& out) {
  V2R_CHECK(mode == "bilinear" || mode == "nearest", "unknown affine mode '{}'", mode);
  V2R_CHECK_GT(map.scale, 0);
  V2R_CHECK(out.height == x.height && out.width == x.width, "{}x{} into {}x{}", x.height, x.width,
            out.height, out.width);
  const double angle = map.degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle) / map.scale, sine = std::sin(angle) / map.scale;
  const double middle_x = (static_cast<double>(x.width) - 1) / 2,
               middle_y = (static_cast<double>(x.height) - 1) / 2;
  const bool nearest = mode == "nearest";
  for (int64_t row = 0; row < out.height; ++row) {
    for (int64_t column = 0; column < out.width; ++column) {
      // Where this pixel comes from: the inverse of "rotate and scale about the centre, then
      // shift".
      const double dx = static_cast<double>(column) - middle_x - map.right;
      const double dy = static_cast<double>(row) - middle_y - map.down;
      const double from_x = cosine * dx + sine * dy + middle_x,
                   from_y = -sine * dx + cosine * dy + middle_y;
      const auto left = static_cast<int64_t>(nearest ? std::nearbyint(from_x) : std::floor(from_x));
      const auto top = static_cast<int64_t>(nearest ? std::nearbyint(from_y) : std::floor(from_y));
      const double share_x = nearest ? 0 : from_x - static_cast<double>(left);
      const double share_y = nearest ? 0 : from_y - static_cast<double>(top);
      float sum[3] = {}, covered = 0;
      for (int64_t j = 0; j <= (nearest ? 0 : 1); ++j) {
        for (int64_t i = 0; i <= (nearest ? 0 : 1); ++i) {
          if (top + j < 0 || top + j >= x.height || left + i < 0 || left + i >= x.width) continue;
          const auto weight = static_cast<float>((j == 1 ? share_y : 1 - share_y) *
                                                 (i == 1 ? share_x : 1 - share_x));
          covered += weight;
          for (int64_t c = 0; c < 3; ++c)
            sum[c] += weight * x.plane(c)[(top + j) * x.width + left + i];
        }
      }
      for (int64_t c = 0; c < 3; ++c) {
        out.plane(c)[row * out.width + column] =
            fill ? sum[c] * covered + (1 - covered) * *fill : sum[c];
      }
    }
  }
}

CropBox RandomCropBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max,
                      double ratio_min, double ratio_max) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = h * w * rng.Uniform(scale_min, scale_max);
    const double ratio = std::exp(rng.Uniform(std::log(ratio_min), std::log(ratio_max)));
    const int64_t box_width = Round(std::sqrt(area * ratio)),
                  box_height = Round(std::sqrt(area / ratio));
    if (box_width < 1 || box_width > width || box_height < 1 || box_height > height) continue;
    const auto top =
        static_cast<int64_t>(rng.Below(static_cast<uint64_t>(height - box_height + 1)));
    const auto left = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(width - box_width + 1)));
    return {top, left, box_height, box_width};
  }
  int64_t box_width = width, box_height = height;
  if (w / h < ratio_min) {
    box_height = std::clamp<int64_t>(Round(w / ratio_min), 1, height);
  } else if (w / h > ratio_max) {
    box_width = std::clamp<int64_t>(Round(h * ratio_max), 1, width);
  }
  return {(height - box_height) / 2, (width - box_width) / 2, box_height, box_width};
}

CropBox RandomEraseBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max,
                       double ratio_min, double ratio_max) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = static_cast<double>(height * width) * rng.Uniform(scale_min, scale_max);
    const double ratio = std::exp(rng.Uniform(std::log(ratio_min), std::log(ratio_max)));
    const int64_t box_height = Round(std::sqrt(area * ratio)),
                  box_width = Round(std::sqrt(area / ratio));
    if (box_height < 1 || box_width < 1 || box_height >= height || box_width >= width) continue;
    const auto top =
        static_cast<int64_t>(rng.Below(static_cast<uint64_t>(height - box_height + 1)));
    const auto left = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(width - box_width + 1)));
    return {top, left, box_height, box_width};
  }
  return {};
}

}  // namespace v2r
