// What tests/core/resize_test.cc leaves: how data sets and augmentation use the resizing.
#include "core/resize.h"

#include <gtest/gtest.h>

namespace v2r {
namespace {

torch::Tensor RandomFrames(int64_t batch, int64_t height, int64_t width) {
  torch::manual_seed(3);
  return torch::randint(0, 256, {batch, height, width, 3}, torch::kUInt8);
}

TEST(ResizeFrames, GrowingByAreaIsBilinear) {
  const auto frames = RandomFrames(1, 20, 20);
  EXPECT_TRUE(
      torch::equal(ResizeFrames(frames, 31, 40, "area"), ResizeFrames(frames, 31, 40, "bilinear")));
}

TEST(ResizeFrames, IsTheProductWithItsWeights) {
  const auto frames = RandomFrames(3, 33, 47);
  const auto rows = ResizeWeights(33, 10, "area"), columns = ResizeWeights(47, 12, "area");
  const auto expected =
      torch::einsum("hy,byxc,wx->bhwc", {rows, frames.to(torch::kFloat), columns});
  const auto actual = ResizeFrames(frames, 10, 12, "area").to(torch::kFloat);
  EXPECT_LE((actual - expected).abs().max().item<double>(), 0.501);
}

TEST(ResizeFrames, SameSizeIsTheSameTensorAndPicturesDoNotDependOnTheBatch) {
  const auto frames = RandomFrames(4, 40, 40);
  EXPECT_TRUE(torch::equal(ResizeFrames(frames, 40, 40, "area"), frames));
  EXPECT_TRUE(torch::equal(ResizeFrames(frames, 16, 16, "area")[2],
                           ResizeFrames(frames.slice(0, 2, 3), 16, 16, "area")[0]));
  const auto turned = frames.transpose(1, 2);
  EXPECT_TRUE(torch::equal(ResizeFrames(turned, 16, 20, "area"),
                           ResizeFrames(turned.contiguous(), 16, 20, "area")));
}

TEST(ResizeWeights, RowsSumToOneAndStayInsideTheirRange) {
  for (const std::string mode :
       {"area", "bilinear", "bicubic", "bilinear_point", "bicubic_point"}) {
    SCOPED_TRACE(mode);
    for (const int64_t output : {5, 13, 29}) {
      const auto weights = ResizeWeights(40, output, mode, 7, 13);
      EXPECT_TRUE(torch::allclose(weights.sum(1), torch::ones({output}), 1e-5, 1e-6));
      EXPECT_EQ(weights.slice(1, 0, 7).abs().max().item<float>(), 0);
      EXPECT_EQ(weights.slice(1, 20, 40).abs().max().item<float>(), 0);
    }
    EXPECT_TRUE(torch::allclose(ResizeWeights(9, 9, mode), torch::eye(9), 0, 1e-6))
        << "same size changes nothing";
  }
}

}  // namespace
}  // namespace v2r
