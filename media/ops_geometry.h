// Operations on positions: crops, shifts, flips, blur, erasing, rotation, on float pictures [B,C,H,W], one parameter set a picture. Crop,
// resize and blur are linear maps of rows and of columns, so a whole batch is two batched matrix products whatever the parameters.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>

#include "core/rng.h"

namespace v2r {

struct CropBox {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const CropBox&) const = default;
};

// Picture b becomes rows[b] * x[b] * columns[b]^T: rows [B,h,H], columns [B,w,W] -> [B,C,h,w].
torch::Tensor SeparableMap(const torch::Tensor& x, const torch::Tensor& rows, const torch::Tensor& columns);

// Cuts boxes[b] (inside the picture) out of picture b and resizes it to [height, width]. mode as in ResizeWeights: "bilinear", "bicubic"
// (antialiased as Pillow and torchvision do by default), "bilinear_point", "bicubic_point". Bicubic may leave [0,1].
torch::Tensor ResizedCrop(const torch::Tensor& x, std::span<const CropBox> boxes, int64_t height, int64_t width,
                          const std::string& mode);
torch::Tensor FlipHorizontal(const torch::Tensor& x);
// Moves picture b by (down[b], right[b]) whole pixels; the edge pixels are repeated.
torch::Tensor Shift(const torch::Tensor& x, std::span<const int64_t> down, std::span<const int64_t> right);
// Blurs picture b with deviation sigma[b] pixels (<= 0: unchanged). kind:
//   "gaussian"  sampled Gaussian of 2 * radius + 1 taps, picture mirrored at the border (torchvision)
//   "simclr"    the same, zeros beyond the border (google-research/simclr)
//   "pillow"    three box filters of fractional width, edge repeated, each result rounded to 8 bits (Pillow's GaussianBlur; x in [0,1],
//               `radius` is not used)
torch::Tensor Blur(const torch::Tensor& x, std::span<const double> sigma, int64_t radius, const std::string& kind);
// Sets boxes[b] of picture b to `value`; a box of height 0 changes nothing.
torch::Tensor Erase(const torch::Tensor& x, std::span<const CropBox> boxes, double value);

// Rotation about the centre by `degrees` clockwise, scaling, then a shift in pixels (torchvision.transforms.functional.affine without
// shear; its rotate(a) is degrees = -a). mode: "bilinear" or "nearest". Outside the picture: zeros, with which bilinear mixes its rim.
struct AffineMap {
  double degrees = 0, right = 0, down = 0, scale = 1;
};
torch::Tensor Affine(const torch::Tensor& x, std::span<const AffineMap> maps, const std::string& mode);
// The same over a background of `fill`, as torchvision's `fill` argument does it: the result of Affine() is mixed with the background by
// the share of each pixel that the picture covers (so that the rim is attenuated twice).
torch::Tensor AffineOver(const torch::Tensor& x, std::span<const AffineMap> maps, const std::string& mode, double fill);

// RandomResizedCrop.get_params of torchvision: ten tries of an area share in [scale_min, scale_max) and a log-uniform width/height ratio,
// then the largest centred box within the ratio's bounds.
CropBox RandomCropBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max, double ratio_min,
                      double ratio_max);
// RandomErasing.get_params of torchvision (Zhong et al. 2017): ten tries; height 0 when none fits.
CropBox RandomEraseBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max,
                       double ratio_min, double ratio_max);

}  // namespace v2r
