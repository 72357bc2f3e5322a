// Operations on positions: crops, shifts, flips, blur, erasing, rotation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/rng.h"
#include "media/picture.h"

namespace v2r {

struct CropBox {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const CropBox&) const = default;
};

// Resizes `box` (inside x) to the size of `out`. mode as in ResizeWeights: "area", "bilinear",
// "bicubic" (antialiased, as Pillow and torchvision do by default), "bilinear_point",
// "bicubic_point". Bicubic may leave [0,1]. `out` must not be `x`.
void ResizedCrop(const Picture& x, const CropBox& box, const std::string& mode, const Picture& out);
void FlipHorizontal(const Picture& x);  // in place
// Moves the picture by whole pixels; the edge pixels are repeated. `out` has the size of `x` and is
// not `x`.
void Shift(const Picture& x, int64_t down, int64_t right, const Picture& out);
// Blurs in place with deviation `sigma` > 0 pixels. kind "gaussian": sampled Gaussian of
// 2 * radius + 1 taps, picture mirrored at the border (torchvision). kind "simclr": the same, zeros
// beyond the border (google-research/simclr). kind "pillow": three box filters of fractional width,
// edge repeated, each result rounded to 8 bits (Pillow's GaussianBlur; x in [0,1], `radius` is not
// used).
void Blur(const Picture& x, double sigma, int64_t radius, const std::string& kind);
// Sets a box inside the picture to `value`, in place; a box of height 0 changes nothing.
void Erase(const Picture& x, const CropBox& box, float value);

// Rotation about the centre by `degrees` clockwise, scaling, then a shift in pixels
// (torchvision.transforms.functional.affine without shear; its rotate(a) is degrees = -a).
struct AffineMap {
  double degrees = 0, right = 0, down = 0, scale = 1;
};
// mode: "bilinear" or "nearest". Outside the picture are zeros, with which bilinear mixes the rim.
// With `fill`, as torchvision does it: that result is mixed with a background of `fill` by the
// share of each pixel that the picture covers (the rim is attenuated twice). `out` has the size of
// `x` and is not `x`.
void Affine(const Picture& x, const AffineMap& map, const std::string& mode,
            std::optional<float> fill, const Picture& out);

// RandomResizedCrop.get_params of torchvision: ten tries of an area share in [scale_min, scale_max)
// and a log-uniform width/height ratio, then the largest centred box within the ratio's bounds.
CropBox RandomCropBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max,
                      double ratio_min, double ratio_max);
// RandomErasing.get_params of torchvision (Zhong et al. 2017): ten tries; height 0 when none fits.
CropBox RandomEraseBox(Rng& rng, int64_t height, int64_t width, double scale_min, double scale_max,
                       double ratio_min, double ratio_max);

}  // namespace v2r
