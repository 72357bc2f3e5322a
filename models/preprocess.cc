#include "models/preprocess.h"

#include <ATen/Parallel.h>

#include "core/error.h"
#include "core/resize.h"
#include "models/normalize.h"

namespace v2r {
namespace {

// value = (pixel / 255 - mean) / std
PixelScale ScaleOf(const EncoderSpec& spec) {
  PixelScale scale;
  for (int c = 0; c < 3; ++c) {
    scale.scale[c] = static_cast<float>(1.0 / (255.0 * spec.std[c]));
    scale.shift[c] = static_cast<float>(-spec.mean[c] / spec.std[c]);
  }
  return scale;
}

// pictures uint8 [P,H,W,3] -> [P,size,size,3], the work shared among torch's threads.
torch::Tensor Shrink(const EncoderSpec& spec, const torch::Tensor& pictures) {
  const int64_t size = spec.input_size;
  if (pictures.size(1) == size && pictures.size(2) == size) return pictures.contiguous();
  if (!pictures.is_cpu()) return ResizeFrames(pictures, size, size, spec.resize);
  auto result = torch::empty({pictures.size(0), size, size, 3}, torch::kUInt8);
  at::parallel_for(0, pictures.size(0), 4, [&](int64_t begin, int64_t end) {
    const torch::NoGradGuard no_grad;
    result.slice(0, begin, end)
        .copy_(ResizeFrames(pictures.slice(0, begin, end), size, size, spec.resize));
  });
  return result;
}

}  // namespace

torch::Tensor WithStack(const EncoderSpec& spec, const torch::Tensor& frames) {
  V2R_CHECK(frames.scalar_type() == torch::kUInt8, "frames must be uint8, are {}",
            torch::toString(frames.scalar_type()));
  const auto stacked = frames.dim() == 4 && spec.frame_stack == 1 ? frames.unsqueeze(1) : frames;
  V2R_CHECK(stacked.dim() == 5 && stacked.size(1) == spec.frame_stack && stacked.size(4) == 3,
            "frames must be [B,(S,)H,W,3] with S = {}, are [{}]", spec.frame_stack,
            fmt::join(frames.sizes(), ", "));
  return stacked;
}

torch::Tensor PreprocessAs(const EncoderSpec& spec, const torch::Tensor& frames,
                           torch::ScalarType dtype) {
  const torch::NoGradGuard no_grad;
  const auto stacked = WithStack(spec, frames);
  const int64_t batch = stacked.size(0), stack = spec.frame_stack, size = spec.input_size;
  const auto pictures =
      Shrink(spec, stacked.reshape({batch * stack, stacked.size(2), stacked.size(3), 3}));
  const PixelScale scale = ScaleOf(spec);
  if (!pictures.is_cpu()) {
    const auto options = torch::TensorOptions(torch::kFloat).device(pictures.device());
    const auto factor = torch::tensor({scale.scale[0], scale.scale[1], scale.scale[2]}, options);
    const auto shift = torch::tensor({scale.shift[0], scale.shift[1], scale.shift[2]}, options);
    const auto values = (pictures.to(torch::kFloat) * factor + shift).to(dtype);
    return values.view({batch, stack, size, size, 3})
        .permute({0, 1, 4, 2, 3})
        .reshape({batch, stack * 3, size, size})
        .contiguous(torch::MemoryFormat::ChannelsLast);
  }
  auto result = torch::empty({batch, size, size, stack * 3}, dtype);
  const int64_t pixels = size * size, values = pixels * stack * 3;
  const uint8_t* in = pictures.const_data_ptr<uint8_t>();
  at::parallel_for(0, batch, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      if (dtype == torch::kFloat) {
        NormalizePicture(in + b * values, stack, pixels, scale,
                         result.data_ptr<float>() + b * values);
      } else {
        NormalizePictureBf16(
            in + b * values, stack, pixels, scale,
            reinterpret_cast<uint16_t*>(result.data_ptr<at::BFloat16>()) + b * values);
      }
    }
  });
  return result.permute({0, 3, 1, 2});
}

torch::Tensor Preprocess(const EncoderSpec& spec, const torch::Tensor& frames) {
  return PreprocessAs(spec, frames, torch::kFloat);
}

}  // namespace v2r
