#include "media/ops_geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/resize.h"

namespace v2r {
namespace {

// Where position i of a line of n pixels comes from when the line is mirrored at its ends (the end itself not doubled).
int64_t Mirror(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return std::min(i, period - i);
}

torch::Tensor GaussianMatrix(int64_t n, double sigma, int64_t radius, bool mirror) {
  std::vector<double> taps(2 * radius + 1);
  double sum = 0;
  for (int64_t j = -radius; j <= radius; ++j) {
    taps[j + radius] = std::exp(-0.5 * (static_cast<double>(j) / sigma) * (static_cast<double>(j) / sigma));
    sum += taps[j + radius];
  }
  auto matrix = torch::zeros({n, n}, torch::kDouble);
  auto* data = matrix.data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = -radius; j <= radius; ++j) {
      const int64_t from = mirror ? Mirror(i + j, n) : i + j;
      if (from >= 0 && from < n) data[i * n + from] += taps[j + radius] / sum;
    }
  }
  return matrix;
}

// One of the three passes of Gwosdek et al. 2011, "Theoretical foundations of Gaussian convolution by extended box filtering", with
// weights in units of 2^-24 and computed in float32 as Pillow has them: they decide which way ties are rounded.
torch::Tensor ExtendedBoxMatrix(int64_t n, double sigma) {
  const auto variance = static_cast<float>(sigma * sigma / 3);
  const auto l = static_cast<float>(std::floor((std::sqrt(12.0 * variance + 1) - 1) / 2));
  const float radius =
      l + (2 * l + 1) * (l * (l + 1) - 3 * variance) / (6 * (variance - (l + 1) * (l + 1)));
  const auto whole = static_cast<int64_t>(radius);
  constexpr int64_t kUnit = 1 << 24;
  const auto near = static_cast<int64_t>(static_cast<float>(kUnit) / (radius * 2 + 1));
  const int64_t far = (kUnit - (2 * whole + 1) * near) / 2;
  const double inner = static_cast<double>(near) / kUnit, outer = static_cast<double>(far) / kUnit;
  auto box = torch::zeros({n, n}, torch::kDouble);
  auto* data = box.data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = -whole - 1; j <= whole + 1; ++j) {
      data[i * n + std::clamp<int64_t>(i + j, 0, n - 1)] += std::abs(j) <= whole ? inner : outer;
    }
  }
  return box;
}

// Three passes along the lines, then three along the columns, on whole grey levels (exact in double).
torch::Tensor PillowBlur(const torch::Tensor& x, const torch::Tensor& rows, const torch::Tensor& columns) {
  const auto half_up = [](const torch::Tensor& levels) { return levels.add(0.5).floor_(); };
  const auto same_rows = torch::eye(x.size(2), torch::kDouble).expand_as(rows);
  const auto same_columns = torch::eye(x.size(3), torch::kDouble).expand_as(columns);
  auto levels = half_up(x.to(torch::kDouble).mul_(255));
  for (int pass = 0; pass < 3; ++pass) levels = half_up(SeparableMap(levels, same_rows, columns));
  for (int pass = 0; pass < 3; ++pass) levels = half_up(SeparableMap(levels, rows, same_columns));
  return levels.div_(255).to(x.scalar_type());
}

void CheckPictures(const torch::Tensor& x, size_t parameters) {
  V2R_CHECK(x.dim() == 4 && x.is_floating_point(), "pictures must be float [B,C,H,W]");
  V2R_CHECK_EQ(static_cast<size_t>(x.size(0)), parameters);
}

int64_t Round(double x) { return static_cast<int64_t>(std::nearbyint(x)); }

}  // namespace

torch::Tensor SeparableMap(const torch::Tensor& x, const torch::Tensor& rows, const torch::Tensor& columns) {
  const int64_t batch = x.size(0), channels = x.size(1);
  const auto r = rows.to(x.device(), x.scalar_type());
  const auto c = columns.to(x.device(), x.scalar_type());
  // Columns first, all channels and lines of a picture in one product: [B, C*H, W] x [B, W, w].
  const auto narrow = torch::bmm(x.reshape({batch, channels * x.size(2), x.size(3)}), c.transpose(1, 2))
                          .view({batch, channels, x.size(2), c.size(1)});
  return torch::matmul(r.unsqueeze(1), narrow);
}

torch::Tensor ResizedCrop(const torch::Tensor& x, std::span<const CropBox> boxes, int64_t height, int64_t width,
                          const std::string& mode) {
  CheckPictures(x, boxes.size());
  std::vector<torch::Tensor> rows, columns;
  for (const CropBox& box : boxes) {
    rows.push_back(ResizeWeights(x.size(2), height, mode, box.top, box.height));
    columns.push_back(ResizeWeights(x.size(3), width, mode, box.left, box.width));
  }
  return SeparableMap(x, torch::stack(rows), torch::stack(columns));
}

torch::Tensor FlipHorizontal(const torch::Tensor& x) { return x.flip(3); }

torch::Tensor Shift(const torch::Tensor& x, std::span<const int64_t> down, std::span<const int64_t> right) {
  CheckPictures(x, down.size());
  V2R_CHECK_EQ(down.size(), right.size());
  int64_t margin = 0;
  for (const int64_t step : down) margin = std::max(margin, std::abs(step));
  for (const int64_t step : right) margin = std::max(margin, std::abs(step));
  if (margin == 0) return x.clone();
  const auto padded = torch::replication_pad2d(x, {margin, margin, margin, margin});
  auto result = torch::empty_like(x, at::MemoryFormat::Contiguous);
  for (int64_t b = 0; b < x.size(0); ++b) {
    result[b].copy_(padded[b].narrow(1, margin - down[b], x.size(2)).narrow(2, margin - right[b], x.size(3)));
  }
  return result;
}

torch::Tensor Blur(const torch::Tensor& x, std::span<const double> sigma, int64_t radius, const std::string& kind) {
  CheckPictures(x, sigma.size());
  V2R_CHECK(kind == "gaussian" || kind == "simclr" || kind == "pillow", "unknown blur kind '{}'", kind);
  const auto matrix = [&](int64_t n, double s) {
    if (s <= 0) return torch::eye(n, torch::kDouble);
    if (kind == "pillow") return ExtendedBoxMatrix(n, s);
    return GaussianMatrix(n, s, radius, kind == "gaussian");
  };
  std::vector<torch::Tensor> rows, columns;
  for (const double s : sigma) {
    rows.push_back(matrix(x.size(2), s));
    columns.push_back(x.size(3) == x.size(2) ? rows.back() : matrix(x.size(3), s));
  }
  const auto r = torch::stack(rows), c = torch::stack(columns);
  return kind == "pillow" ? PillowBlur(x, r, c) : SeparableMap(x, r, c);
}

torch::Tensor Erase(const torch::Tensor& x, std::span<const CropBox> boxes, double value) {
  CheckPictures(x, boxes.size());
  auto result = x.clone();
  for (int64_t b = 0; b < x.size(0); ++b) {
    const CropBox& box = boxes[b];
    if (box.height > 0) result[b].narrow(1, box.top, box.height).narrow(2, box.left, box.width).fill_(value);
  }
  return result;
}

torch::Tensor Affine(const torch::Tensor& x, std::span<const AffineMap> maps, const std::string& mode) {
  CheckPictures(x, maps.size());
  V2R_CHECK(mode == "bilinear" || mode == "nearest", "unknown affine mode '{}'", mode);
  const auto height = static_cast<double>(x.size(2)), width = static_cast<double>(x.size(3));
  auto theta = torch::empty({x.size(0), 2, 3}, torch::kDouble);
  auto* t = theta.data_ptr<double>();
  for (const AffineMap& map : maps) {
    V2R_CHECK(map.scale > 0, "scale {}", map.scale);
    const double angle = map.degrees * std::numbers::pi / 180;
    const double c = std::cos(angle) / map.scale, s = std::sin(angle) / map.scale;
    // Where an output pixel comes from, both measured from the centre; then in units of half the picture, as grid_sample wants it.
    *t++ = c;
    *t++ = s * height / width;
    *t++ = -(c * map.right + s * map.down) * 2 / width;
    *t++ = -s * width / height;
    *t++ = c;
    *t++ = -(-s * map.right + c * map.down) * 2 / height;
  }
  const auto grid = torch::affine_grid_generator(theta, x.sizes(), /*align_corners=*/false);
  return torch::grid_sampler(x, grid.to(x.device(), x.scalar_type()), mode == "bilinear" ? 0 : 1,
                             /*padding_mode=*/0, /*align_corners=*/false);
}

torch::Tensor AffineOver(const torch::Tensor& x, std::span<const AffineMap> maps, const std::string& mode, double fill) {
  const auto covered = Affine(torch::ones({x.size(0), 1, x.size(2), x.size(3)}, x.options()), maps, mode);
  return Affine(x, maps, mode) * covered + (1 - covered) * fill;
}

CropBox RandomCropBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max, double ratio_min,
                      double ratio_max) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = h * w * rng.Uniform(scale_min, scale_max);
    const double ratio = std::exp(rng.Uniform(std::log(ratio_min), std::log(ratio_max)));
    const int64_t box_width = Round(std::sqrt(area * ratio)), box_height = Round(std::sqrt(area / ratio));
    if (box_width < 1 || box_width > width || box_height < 1 || box_height > height) continue;
    const auto top = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(height - box_height + 1)));
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
    const int64_t box_height = Round(std::sqrt(area * ratio)), box_width = Round(std::sqrt(area / ratio));
    if (box_height < 1 || box_width < 1 || box_height >= height || box_width >= width) continue;
    const auto top = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(height - box_height + 1)));
    const auto left = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(width - box_width + 1)));
    return {top, left, box_height, box_width};
  }
  return {};
}

}  // namespace v2r
