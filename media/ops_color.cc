#include "media/ops_color.h"

#include "core/error.h"

namespace v2r {
namespace {

torch::Tensor PerPicture(const torch::Tensor& x, const torch::Tensor& parameter) {
  V2R_CHECK(x.dim() == 4 && x.size(1) == 3 && x.is_floating_point(), "pictures must be float [B,3,H,W]");
  V2R_CHECK(parameter.dim() == 1 && (parameter.size(0) == x.size(0) || parameter.size(0) == 1),
            "{} parameters for {} pictures", parameter.numel(), x.size(0));
  return parameter.to(x.device(), x.scalar_type()).view({-1, 1, 1, 1});
}

// factor * x + (1 - factor) * base, cut to [0,1].
torch::Tensor Blend(const torch::Tensor& x, const torch::Tensor& base, const torch::Tensor& factor) {
  return torch::lerp(base.expand_as(x), x, factor.expand_as(x)).clamp_(0, 1);
}

}  // namespace

torch::Tensor Grayscale(const torch::Tensor& x) {
  const auto c = x.unbind(1);
  return (c[0] * 0.2989 + c[1] * 0.587 + c[2] * 0.114).unsqueeze(1);
}

torch::Tensor AdjustBrightness(const torch::Tensor& x, const torch::Tensor& factor) {
  return (x * PerPicture(x, factor)).clamp_(0, 1);
}

torch::Tensor AdjustContrast(const torch::Tensor& x, const torch::Tensor& factor) {
  return Blend(x, Grayscale(x).mean({1, 2, 3}, /*keepdim=*/true), PerPicture(x, factor));
}

torch::Tensor AdjustSaturation(const torch::Tensor& x, const torch::Tensor& factor) {
  return Blend(x, Grayscale(x), PerPicture(x, factor));
}

torch::Tensor AdjustHue(const torch::Tensor& x, const torch::Tensor& turns) {
  auto hsv = RgbToHsv(x);
  auto hue = hsv.slice(1, 0, 1);
  hue.copy_(torch::remainder(hue + PerPicture(x, turns), 1.0));
  return HsvToRgb(hsv);
}

torch::Tensor Invert(const torch::Tensor& x) { return 1 - x; }

torch::Tensor Solarize(const torch::Tensor& x, double threshold) {
  return torch::where(x >= threshold, 1 - x, x);
}

torch::Tensor AddBrightness(const torch::Tensor& x, const torch::Tensor& delta) {
  return (x + PerPicture(x, delta)).clamp_(0, 1);
}

torch::Tensor AdjustContrastPerChannel(const torch::Tensor& x, const torch::Tensor& factor) {
  return Blend(x, x.mean({2, 3}, /*keepdim=*/true), PerPicture(x, factor));
}

torch::Tensor AdjustSaturationHsv(const torch::Tensor& x, const torch::Tensor& factor) {
  auto hsv = RgbToHsv(x);
  auto saturation = hsv.slice(1, 1, 2);
  saturation.copy_((saturation * PerPicture(x, factor)).clamp_(0, 1));
  return HsvToRgb(hsv);
}

torch::Tensor RgbToHsv(const torch::Tensor& rgb) {
  const auto c = rgb.unbind(1);
  const auto value = rgb.amax(1);
  const auto chroma = value - rgb.amin(1);
  const auto gray = chroma == 0;
  const auto divisor = torch::where(gray, torch::ones_like(chroma), chroma);
  // Position within the sixth of the circle that the largest channel names; red wins ties, then green.
  auto hue = (c[0] - c[1]) / divisor + 4;
  hue = torch::where(value == c[1], (c[2] - c[0]) / divisor + 2, hue);
  hue = torch::where(value == c[0], (c[1] - c[2]) / divisor, hue);
  hue = torch::where(gray, torch::zeros_like(hue), torch::remainder(hue / 6, 1.0));
  const auto saturation = chroma / torch::where(gray, torch::ones_like(value), value);
  return torch::stack({hue, saturation, value}, 1);
}

torch::Tensor HsvToRgb(const torch::Tensor& hsv) {
  const auto c = hsv.unbind(1);
  const auto sixths = c[0] * 6;
  const auto chroma = c[1] * c[2];
  std::vector<torch::Tensor> rgb;
  for (const double offset : {5.0, 3.0, 1.0}) {
    // Each channel falls to v - chroma on one third of the circle, stays at v on another, and is linear between.
    const auto k = torch::remainder(sixths + offset, 6.0);
    rgb.push_back(c[2] - chroma * torch::minimum(k, 4 - k).clamp(0, 1));
  }
  return torch::stack(rgb, 1).clamp_(0, 1);
}

torch::Tensor Normalize(const torch::Tensor& x, const std::vector<double>& mean, const std::vector<double>& std) {
  const auto channels = static_cast<size_t>(x.size(1));
  V2R_CHECK(mean.size() == channels && std.size() == channels, "{} means and {} deviations for {} channels",
            mean.size(), std.size(), channels);
  const auto options = torch::TensorOptions().dtype(x.scalar_type()).device(x.device());
  const auto m = torch::tensor(mean, torch::kDouble).to(options).view({1, -1, 1, 1});
  const auto s = torch::tensor(std, torch::kDouble).to(options).view({1, -1, 1, 1});
  return (x - m) / s;
}

torch::Tensor Sobel(const torch::Tensor& x) {
  const auto smooth = torch::tensor({1.0, 2.0, 1.0}, x.options());
  const auto slope = torch::tensor({1.0, 0.0, -1.0}, x.options());
  const auto kernels = torch::stack({torch::outer(smooth, slope), torch::outer(slope, smooth)}).unsqueeze(1);
  return torch::conv2d(x.mean(1, /*keepdim=*/true), kernels, {}, 1, 1);
}

}  // namespace v2r
