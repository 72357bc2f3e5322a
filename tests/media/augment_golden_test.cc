// Operations with forced parameters against torchvision, Pillow and SimCLR (golden file 21_augmentations). Each name in the file says
// operation and parameters; a name that no branch understands is a failure.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/text.h"
#include "media/augment.h"
#include "media/ops_color.h"
#include "media/ops_geometry.h"
#include "tests/golden.h"

namespace v2r {
namespace {

torch::Tensor Parameter(double value) { return torch::tensor({value}, torch::kFloat); }

torch::Tensor Jitter(torch::Tensor x, const std::vector<std::string>& words) {
  for (const auto& word : words) {
    const auto value = Parameter(std::stod(word.substr(1)));
    if (word[0] == 'b') x = AdjustBrightness(x, value);
    if (word[0] == 'c') x = AdjustContrast(x, value);
    if (word[0] == 's') x = AdjustSaturation(x, value);
    if (word[0] == 'h') x = AdjustHue(x, value);
  }
  return x;
}

// x float [B,3,H,W] with the operation that `name` says; undefined when there is none of that name.
torch::Tensor RunOperation(const torch::Tensor& x, const std::string& name, bool antialias) {
  const auto words = Split(name, '_');
  const auto batch = static_cast<size_t>(x.size(0));
  const auto number = [&](size_t i) { return std::stod(words.at(i)); };
  const auto whole = [&](size_t i) { return static_cast<int64_t>(std::stol(words.at(i))); };
  const std::string point = antialias ? "" : "_point";
  const std::string& op = words[0];
  if (op == "brightness") return AdjustBrightness(x, Parameter(number(1)));
  if (op == "contrast") return AdjustContrast(x, Parameter(number(1)));
  if (op == "saturation") return AdjustSaturation(x, Parameter(number(1)));
  if (op == "hue") return AdjustHue(x, Parameter(number(1)));
  if (op == "gray3") return Grayscale(x).expand({-1, 3, -1, -1});
  if (op == "hflip") return FlipHorizontal(x);
  if (op == "invert") return Invert(x);
  if (op == "solarize") return Solarize(x, number(1) / 255);
  if (op == "normalize") return Normalize(x, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
  if (op == "cutout") {
    return Erase(x, std::vector<CropBox>(batch, {whole(2), whole(3), whole(4), whole(5)}), 0);
  }
  if (op == "jitter") return Jitter(x, {words.begin() + 1, words.end()});
  if (op == "rrc") {
    const std::vector<CropBox> boxes(batch, {whole(1), whole(2), whole(3), whole(4)});
    const int64_t size = std::stol(words.at(5).substr(2));
    return ResizedCrop(x, boxes, size, size, words.at(6) + point);
  }
  if (op == "resize24") {  // the shorter side to 24, then the centre 20x20
    const std::vector<CropBox> boxes(batch, {0, 0, x.size(2), x.size(3)});
    const int64_t height = 24 * x.size(2) / x.size(3);
    const auto resized = ResizedCrop(x, boxes, height, 24, words.at(2) + point);
    return resized.narrow(2, (height - 20) / 2, 20).narrow(3, 2, 20);
  }
  if (op == "rotate") {
    return AffineOver(x, std::vector<AffineMap>(batch, {-number(1), 0, 0, 1}), words.at(2), 0);
  }
  if (op == "affine") {
    const AffineMap map{std::stod(words.at(1).substr(1)), std::stod(words.at(2).substr(1)), number(3),
                        std::stod(words.at(4).substr(1))};
    return Affine(x, std::vector<AffineMap>(batch, map), words.at(5));
  }
  if (op == "blur" && words.at(1) == "pil") return Blur(x, std::vector<double>(batch, number(3)), 0, "pillow");
  if (op == "blur") {
    return Blur(x, std::vector<double>(batch, number(3)), std::stol(words.at(1).substr(1)) / 2, "gaussian");
  }
  return {};
}

torch::Tensor RunSimclr(const torch::Tensor& x, const std::string& name) {
  const auto words = Split(name, '_');
  if (name.starts_with("brightness_v1_add")) return AddBrightness(x, Parameter(std::stod(words.at(3))));
  if (name.starts_with("brightness_v2_mult")) return AdjustBrightness(x, Parameter(std::stod(words.at(3))));
  if (words[0] == "contrast") return AdjustContrastPerChannel(x, Parameter(std::stod(words.at(1))));
  if (words[0] == "saturation") return AdjustSaturationHsv(x, Parameter(std::stod(words.at(1))));
  if (words[0] == "hue") return AdjustHue(x, Parameter(std::stod(words.at(1))));
  if (words[0] == "gray") return Grayscale(x).expand({-1, 3, -1, -1});
  if (words[0] == "blur") {
    const int64_t radius = std::stol(words.at(1).substr(6)) / 2;
    return Blur(x, std::vector<double>(static_cast<size_t>(x.size(0)), std::stod(words.at(3))), radius, "simclr");
  }
  return {};
}

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What the tensor of 8-bit levels would be.
torch::Tensor Levels(const torch::Tensor& x) { return (x * 255).round().clamp(0, 255); }

TEST(AugmentGolden, TensorFloat) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = FramesToFloat(c["in.images_hwc_u8"]);
    for (const std::string family : {"tensor_f32.", "tensor_f32_noaa."}) {
      const auto expected = c.Under(family);
      EXPECT_FALSE(expected.empty());
      for (const auto& [name, value] : expected) {
        SCOPED_TRACE(family + name);
        const auto actual = RunOperation(x, name, family == "tensor_f32.");
        ASSERT_TRUE(actual.defined()) << "no such operation";
        const bool exact = name == "hflip" || name == "invert" || name.starts_with("cutout") ||
                           name.starts_with("solarize");
        EXPECT_TRUE(IsClose(actual, value, {.absolute = exact ? 0.0 : Contains(name, "bicubic") ? 1e-4 : 1e-5}));
      }
    }
  }
}

TEST(AugmentGolden, Simclr) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = FramesToFloat(c["in.images_hwc_u8"]);
    for (const auto& [name, value] : c.Under("simclr_f32.")) {
      SCOPED_TRACE(name);
      auto actual = RunSimclr(x, name);
      ASSERT_TRUE(actual.defined()) << "no such operation";
      if (!name.starts_with("blur")) actual = actual.permute({0, 2, 3, 1});
      EXPECT_TRUE(IsClose(actual, value, {.absolute = 1e-5}));
    }
    EXPECT_TRUE(IsClose(Sobel(x), c["sobel_f32.deepcluster_pad1"], {.absolute = 1e-5}));
  }
}

// torchvision's 8-bit path cuts off where this one rounds: one level an operation.
TEST(AugmentGolden, TensorUint8) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = FramesToFloat(c["in.images_hwc_u8"]);
    const auto expected = c.Under("tensor_u8.");
    EXPECT_FALSE(expected.empty());
    for (const auto& [name, value] : expected) {
      SCOPED_TRACE(name);
      const auto actual = RunOperation(x, name, true);
      ASSERT_TRUE(actual.defined()) << "no such operation";
      EXPECT_TRUE(IsClose(Levels(actual), value.to(torch::kFloat), {.absolute = name.starts_with("jitter") ? 4.0 : 1.0}));
    }
  }
}

// How far Pillow's 8-bit arithmetic is from the float one (goldens README, trap 13).
double PillowTolerance(const std::string& name) {
  if (name.starts_with("hue") || name.starts_with("jitter")) return 13;  // 8-bit HSV
  if (Contains(name, "bicubic")) return 17;  // cut to 8 bits between its passes; hard edges
  return 1;
}

TEST(AugmentGolden, Pillow) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = FramesToFloat(c["in.images_hwc_u8"]);
    const auto expected = c.Under("pil.");
    EXPECT_FALSE(expected.empty());
    for (const auto& [name, value] : expected) {
      SCOPED_TRACE(name);
      const auto result = RunOperation(x, name, true);
      ASSERT_TRUE(result.defined()) << "no such operation";
      auto actual = Levels(result).permute({0, 2, 3, 1});
      auto wanted = value.to(torch::kFloat);
      if (name.starts_with("rotate") || name.starts_with("affine")) {
        // At the rim of the filled area Pillow takes the nearest pixel: compare where the picture covers a pixel entirely.
        const auto inside = (RunOperation(torch::ones_like(x), name, true).permute({0, 2, 3, 1}) > 0.999).to(torch::kFloat);
        EXPECT_GT(inside.mean().item<double>(), 0.4);
        actual = actual * inside;
        wanted = wanted * inside;
      }
      EXPECT_TRUE(IsClose(actual, wanted, {.absolute = PillowTolerance(name)}));
      if (Contains(name, "bicubic")) {
        EXPECT_TRUE(IsClose(actual[0], wanted[0], {.absolute = 1})) << "smooth content";
      }
    }
  }
}

}  // namespace
}  // namespace v2r
