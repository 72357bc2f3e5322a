#include "core/resize.h"

#include "core/torch_rng.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

torch::Tensor RandomFrames(int64_t count, int64_t height, int64_t width) {
  Rng rng(11);
  return (RandomUniform(rng, {count, height, width, 3}) * 256).to(torch::kUInt8);
}

// Largest difference in grey levels of two uint8 tensors, or of one to a float one.
double LargestDifference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

TEST(ResizeTest, AreaIsTheMeanOfWhatAPixelCovers) {
  const torch::Tensor frames = RandomFrames(3, 12, 20);
  const torch::Tensor means =
      frames.to(torch::kFloat64).reshape({3, 4, 3, 5, 4, 3}).mean(at::IntArrayRef{2, 4});
  const torch::Tensor small = ResizeFrames(frames, 4, 5, "area");
  EXPECT_EQ(small.sizes(), torch::IntArrayRef({3, 4, 5, 3}));
  EXPECT_LE(LargestDifference(small, means), 0.5 + 2e-3);
}

TEST(ResizeTest, AreaSplitsPixelsBetweenTheirCovers) {
  // 3 pixels to 2: the middle one is shared half and half.
  const torch::Tensor frame =
      torch::tensor({30, 60, 120}, torch::kUInt8).reshape({1, 1, 3, 1}).expand({1, 3, 3, 3});
  const torch::Tensor small = ResizeFrames(frame, 2, 2, "area");
  EXPECT_EQ(small[0][0][0][0].item<int>(), 40);
  EXPECT_EQ(small[0][1][1][2].item<int>(), 100);
}

TEST(ResizeTest, BilinearIsTorchsAntialiasedUpsampling) {
  const torch::Tensor frames = RandomFrames(2, 37, 50);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{16, 16}, {64, 80}, {20, 90}}) {
    const torch::Tensor reference =
        at::_upsample_bilinear2d_aa(frames.permute({0, 3, 1, 2}).to(torch::kFloat32),
                                    {height, width}, /*align_corners=*/false)
            .permute({0, 2, 3, 1});
    const torch::Tensor resized = ResizeFrames(frames, height, width, "bilinear");
    EXPECT_LE(LargestDifference(resized, reference), 0.5 + 2e-3) << height << "x" << width;
    if (height > 37 && width > 50) {
      EXPECT_TRUE(torch::equal(ResizeFrames(frames, height, width, "area"), resized));
    }
  }
}

TEST(ResizeTest, AFrameIsShrunkAlikeInAnyBatch) {
  const torch::Tensor frames = RandomFrames(140, 21, 21);
  const torch::Tensor all = ResizeFrames(frames, 8, 9, "area");
  for (const int64_t i : {0, 77, 139}) {
    EXPECT_TRUE(torch::equal(ResizeFrames(frames.slice(0, i, i + 1), 8, 9, "area")[0], all[i]));
  }
}

TEST(ResizeTest, FlatPicturesStayFlatAndEqualSizesStayEqual) {
  const torch::Tensor flat = torch::full({1, 33, 47, 3}, 255, torch::kUInt8);
  for (const char* mode : {"area", "bilinear", "nearest"}) {
    EXPECT_TRUE(ResizeFrames(flat, 10, 100, mode).eq(255).all().item<bool>());
    EXPECT_TRUE(torch::equal(ResizeFrames(flat, 33, 47, mode), flat));
    EXPECT_EQ(ResizeFrames(flat.slice(0, 0, 0), 10, 10, mode).size(0), 0);
  }
}

// The weights applied to a line against ATen's own kernels on the cut-out part of that line.
TEST(ResizeWeightsTest, EveryFilterIsAtens) {
  Rng rng(2);
  const torch::Tensor line = RandomUniform(rng, {1, 1, 1, 40});
  for (const int64_t size : {7, 23, 70}) {
    const torch::Tensor part = line.slice(3, 5, 35);
    const std::vector<std::pair<const char*, torch::Tensor>> cases = {
        {"bilinear", at::_upsample_bilinear2d_aa(part, {1, size}, false)},
        {"bicubic", at::_upsample_bicubic2d_aa(part, {1, size}, false)},
        {"nearest", at::_upsample_nearest_exact2d(part, {1, size})},
        {"bilinear_point", at::upsample_bilinear2d(part, {1, size}, false)},
        {"bicubic_point", at::upsample_bicubic2d(part, {1, size}, false)}};
    for (const auto& [mode, reference] : cases) {
      const torch::Tensor weights = ResizeWeights(40, size, mode, 5, 30);
      ASSERT_EQ(weights.sizes(), torch::IntArrayRef({size, 40}));
      EXPECT_LE(LargestDifference(weights.matmul(line.flatten()), reference.flatten()), 1e-5)
          << mode << " " << size;
      EXPECT_LE(LargestDifference(weights.sum(1), torch::ones({size})), 1e-5) << mode;
    }
  }
  EXPECT_THROW(ResizeWeights(40, 10, "lanczos"), UserError);
  EXPECT_THROW(ResizeWeights(40, 10, "area", 35, 6), Error);
}

TEST(ResizeTest, WrongInputIsRefused) {
  EXPECT_THAT(UserErrorOf([] { ResizeFrames(RandomFrames(1, 4, 4), 2, 2, "aera"); }),
              testing::HasSubstr("unknown resize mode 'aera' (known: area, bilinear, bicubic, nearest)"));
  EXPECT_THROW(ResizeFrames(torch::zeros({1, 4, 4, 3}), 2, 2, "area"), Error);
  EXPECT_THROW(ResizeFrames(RandomFrames(1, 4, 4), 0, 2, "area"), Error);
}

}  // namespace
}  // namespace v2r
