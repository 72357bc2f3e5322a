#include "learn/mae.h"

#include "core/error.h"

namespace v2r {
namespace {

constexpr double kVarianceFloor = 1e-6;

}  // namespace

torch::Tensor Patchify(const torch::Tensor& pictures, int64_t patch) {
  const int64_t batch = pictures.size(0), channels = pictures.size(1);
  const int64_t rows = pictures.size(2) / patch, cols = pictures.size(3) / patch;
  V2R_CHECK(rows * patch == pictures.size(2) && cols * patch == pictures.size(3),
            "pictures [{}] in patches of {}", fmt::join(pictures.sizes(), ", "), patch);
  return pictures.reshape({batch, channels, rows, patch, cols, patch})
      .permute({0, 2, 4, 3, 5, 1})
      .reshape({batch, rows * cols, patch * patch * channels});
}

torch::Tensor Unpatchify(const torch::Tensor& patches, int64_t patch, int64_t rows) {
  const int64_t batch = patches.size(0), cols = patches.size(1) / rows;
  const int64_t channels = patches.size(2) / (patch * patch);
  V2R_CHECK(rows * cols == patches.size(1) && channels * patch * patch == patches.size(2),
            "patches [{}] of {} pixels in {} rows", fmt::join(patches.sizes(), ", "), patch, rows);
  return patches.reshape({batch, rows, cols, patch, patch, channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({batch, channels, rows * patch, cols * patch});
}

PatchMask MaskByNoise(const torch::Tensor& noise, double ratio) {
  const int64_t count = noise.size(1);
  const auto kept = static_cast<int64_t>(static_cast<double>(count) * (1 - ratio));
  V2R_CHECK(kept >= 1, "{} patches, of which a share of {} is removed", count, ratio);
  const auto order = noise.argsort(1, /*descending=*/false);
  PatchMask mask;
  mask.keep = order.slice(1, 0, kept);
  mask.restore = order.argsort(1, /*descending=*/false);
  mask.removed = mask.restore.ge(kept).to(torch::kFloat);
  return mask;
}

torch::Tensor KeepPatches(const torch::Tensor& x, const PatchMask& mask) {
  return x.gather(1, mask.keep.unsqueeze(-1).expand({-1, -1, x.size(2)}));
}

torch::Tensor MaeTarget(const torch::Tensor& pictures, int64_t patch, bool norm_pix) {
  const auto target = Patchify(pictures, patch);
  if (!norm_pix) return target;
  const auto variance = target.var(-1, /*unbiased=*/true, /*keepdim=*/true);
  return (target - target.mean(-1, /*keepdim=*/true)) / (variance + kVarianceFloor).sqrt();
}

torch::Tensor MaeLoss(const torch::Tensor& prediction, const torch::Tensor& target,
                      const torch::Tensor& removed) {
  const auto per_patch = (prediction - target).square().mean(-1);
  return (per_patch * removed).sum() / removed.sum();
}

}  // namespace v2r
