// From camera bytes to network input.

#include "models/preprocess.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/resize.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

// The definition, in double: (pixel / 255 - mean) / std, [B,S,H,W,3] -> [B,3S,H,W].
torch::Tensor Definition(const EncoderSpec& spec, const torch::Tensor& frames) {
  const auto mean = torch::tensor(spec.mean, torch::kDouble),
             std = torch::tensor(spec.std, torch::kDouble);
  const auto values = (frames.to(torch::kDouble) / 255 - mean) / std;
  return values.permute({0, 1, 4, 2, 3}).flatten(1, 2);
}

EncoderSpec Coloured(int64_t size, int64_t stack) {
  EncoderSpec spec;
  spec.input_size = size;
  spec.frame_stack = stack;
  spec.mean = {0.485, 0.456, 0.406};
  spec.std = {0.229, 0.224, 0.225};
  return spec;
}

TEST(Preprocess, NormalisesEveryChannel) {
  for (const int64_t size : {16, 33, 64}) {  // 33: a length that no vector divides
    for (const int64_t stack : {1, 3}) {
      const EncoderSpec spec = Coloured(size, stack);
      const auto frames = RandomPictures(5 * stack, size).view({5, stack, size, size, 3});
      const auto x = Preprocess(spec, frames);
      EXPECT_EQ(x.scalar_type(), torch::kFloat);
      EXPECT_TRUE(x.is_contiguous(torch::MemoryFormat::ChannelsLast));
      EXPECT_TRUE(IsClose(x, Definition(spec, frames), {.absolute = 1e-6})) << size << " " << stack;
    }
  }
}

TEST(Preprocess, Bfloat16IsTheRoundedFloat) {
  for (const int64_t stack : {1, 2}) {
    const EncoderSpec spec = Coloured(30, stack);
    const auto frames = RandomPictures(4 * stack, 30).view({4, stack, 30, 30, 3});
    const auto expected = PreprocessAs(spec, frames, torch::kFloat).to(torch::kBFloat16);
    EXPECT_TRUE(torch::equal(PreprocessAs(spec, frames, torch::kBFloat16), expected));
  }
}

TEST(Preprocess, ShrinksPicturesOfAnySizeAsResizeFramesDoes) {
  EncoderSpec spec = Coloured(32, 1);
  const auto frames = RandomPictures(9, 100).slice(2, 0, 80);  // [9,100,80,3], not contiguous
  for (const std::string mode : {"area", "bilinear"}) {
    spec.resize = mode;
    const auto small = ResizeFrames(frames.contiguous(), 32, 32, mode).unsqueeze(1);
    EXPECT_TRUE(IsClose(Preprocess(spec, frames), Definition(spec, small), {.absolute = 1e-6}))
        << mode;
  }
  const auto area = (spec.resize = "area", Preprocess(spec, frames));
  const auto bilinear = (spec.resize = "bilinear", Preprocess(spec, frames));
  EXPECT_FALSE(torch::equal(area, bilinear));
}

TEST(Preprocess, DeviceFormulaAgrees) {
  const EncoderSpec spec = Coloured(32, 2);
  const auto frames = RandomPictures(6, 40).view({3, 2, 40, 40, 3});
  const auto on_device = Preprocess(spec, frames.to(TestDevice()));
  EXPECT_EQ(on_device.device().type(), TestDevice().type());
  EXPECT_TRUE(IsClose(on_device, Preprocess(spec, frames), {.absolute = 1e-5}));
}

TEST(Preprocess, EmptyBatch) {
  const auto x = Preprocess(Coloured(32, 1), torch::zeros({0, 40, 40, 3}, torch::kUInt8));
  EXPECT_EQ(x.sizes(), (std::vector<int64_t>{0, 3, 32, 32}));
}

TEST(Preprocess, RefusesWrongFrames) {
  const EncoderSpec spec = Coloured(32, 2);
  EXPECT_THROW(Preprocess(spec, torch::zeros({1, 2, 32, 32, 3})), Error);              // float
  EXPECT_THROW(Preprocess(spec, torch::zeros({1, 32, 32, 3}, torch::kUInt8)), Error);  // no stack
  EXPECT_THROW(Preprocess(spec, torch::zeros({1, 3, 32, 32, 3}, torch::kUInt8)),
               Error);  // three, not two
  EXPECT_THROW(Preprocess(Coloured(32, 1), torch::zeros({1, 3, 32, 32}, torch::kUInt8)),
               Error);  // NCHW
}

}  // namespace
}  // namespace v2r
