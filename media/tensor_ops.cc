#include "media/tensor_ops.h"

#include "core/error.h"

namespace v2r {

Picture PictureOf(const torch::Tensor& x, int64_t b) {
  V2R_CHECK(x.dim() == 4 && x.size(1) == 3 && x.scalar_type() == torch::kFloat && x.is_cpu() &&
                x.is_contiguous(),
            "pictures must be float32 [B,3,H,W], contiguous, on the CPU");
  V2R_CHECK(b >= 0 && b < x.size(0), "picture {} of {}", b, x.size(0));
  return {x.data_ptr<float>() + b * x.stride(0), x.size(2), x.size(3)};
}

torch::Tensor FramesToFloat(const torch::Tensor& frames) {
  V2R_CHECK(frames.dim() >= 3 && frames.size(-1) == 3 && frames.scalar_type() == torch::kUInt8,
            "frames must be uint8 [...,H,W,3]");
  const torch::NoGradGuard no_grad;
  if (!frames.is_cpu()) return frames.movedim(-1, -3).to(torch::kFloat).div_(255).contiguous();
  const auto source = frames.contiguous();
  std::vector<int64_t> shape = source.sizes().vec();
  shape.pop_back();
  shape.insert(shape.end() - 2, 3);
  auto result = torch::empty(shape, torch::kFloat);
  const int64_t pixels = source.size(-3) * source.size(-2);
  const uint8_t* from = source.data_ptr<uint8_t>();
  float* to = result.data_ptr<float>();
  for (int64_t picture = 0; picture < source.numel() / (3 * pixels); ++picture, to += 3 * pixels) {
    for (int64_t i = 0; i < pixels; ++i, from += 3) {
      for (int64_t c = 0; c < 3; ++c) to[c * pixels + i] = static_cast<float>(from[c]) / 255.0f;
    }
  }
  return result;
}

torch::Tensor Normalize(const torch::Tensor& x, const std::vector<double>& mean,
                        const std::vector<double>& std) {
  const auto channels = static_cast<size_t>(x.size(1));
  V2R_CHECK(mean.size() == channels && std.size() == channels,
            "{} means and {} deviations for {} channels", mean.size(), std.size(), channels);
  const auto options = torch::TensorOptions().dtype(x.scalar_type()).device(x.device());
  const auto m = torch::tensor(mean, torch::kDouble).to(options).view({1, -1, 1, 1});
  const auto s = torch::tensor(std, torch::kDouble).to(options).view({1, -1, 1, 1});
  return (x - m) / s;
}

torch::Tensor Sobel(const torch::Tensor& x) {
  const auto smooth = torch::tensor({1.0, 2.0, 1.0}, x.options());
  const auto slope = torch::tensor({1.0, 0.0, -1.0}, x.options());
  const auto kernels =
      torch::stack({torch::outer(smooth, slope), torch::outer(slope, smooth)}).unsqueeze(1);
  return torch::conv2d(x.mean(1, /*keepdim=*/true), kernels, {}, 1, 1);
}

}  // namespace v2r
