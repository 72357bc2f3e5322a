// Operations with forced parameters against torchvision, Pillow and SimCLR (golden file
// 21_augmentations). Each name in the file says operation and parameters; a name that no branch
// understands is a failure.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/text.h"
#include "media/augment.h"
#include "media/ops_color.h"
#include "media/ops_geometry.h"
#include "tests/golden.h"

namespace v2r {
namespace {

using Operation = std::function<void(const Picture&)>;

// A copy of x [B,3,H,W] with an operation done to each picture in place.
torch::Tensor Each(const torch::Tensor& x, const Operation& operation) {
  const auto result = x.clone();
  for (int64_t b = 0; b < x.size(0); ++b) operation(PictureOf(result, b));
  return result;
}

// Pictures of height x width made from those of x.
torch::Tensor Into(const torch::Tensor& x, int64_t height, int64_t width,
                   const std::function<void(const Picture&, const Picture&)>& operation) {
  const auto result = torch::full({x.size(0), 3, height, width}, -1.0f);
  for (int64_t b = 0; b < x.size(0); ++b) operation(PictureOf(x, b), PictureOf(result, b));
  return result;
}

void Jitter(const Picture& x, const std::vector<std::string>& words) {
  for (const auto& word : words) {
    const float value = std::stof(word.substr(1));
    if (word[0] == 'b') AdjustBrightness(x, value);
    if (word[0] == 'c') AdjustContrast(x, value);
    if (word[0] == 's') AdjustSaturation(x, value);
    if (word[0] == 'h') AdjustHue(x, value);
  }
}

// x float [B,3,H,W] with the operation that `name` says; undefined when there is none of that name.
torch::Tensor RunOperation(const torch::Tensor& x, const std::string& name, bool antialias) {
  const auto words = Split(name, '_');
  const auto number = [&](size_t i) { return std::stod(words.at(i)); };
  const auto whole = [&](size_t i) { return static_cast<int64_t>(std::stol(words.at(i))); };
  const std::string point = antialias ? "" : "_point";
  const std::string& op = words[0];
  const float value = words.size() == 2 && op != "normalize" ? std::stof(words[1]) : 0.0f;
  if (op == "brightness") return Each(x, [&](const Picture& p) { AdjustBrightness(p, value); });
  if (op == "contrast") return Each(x, [&](const Picture& p) { AdjustContrast(p, value); });
  if (op == "saturation") return Each(x, [&](const Picture& p) { AdjustSaturation(p, value); });
  if (op == "hue") return Each(x, [&](const Picture& p) { AdjustHue(p, value); });
  if (op == "gray3") return Each(x, Grayscale);
  if (op == "hflip") return Each(x, FlipHorizontal);
  if (op == "invert") return Each(x, Invert);
  if (op == "solarize") return Each(x, [&](const Picture& p) { Solarize(p, value / 255); });
  if (op == "normalize") return Normalize(x, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
  if (op == "cutout") {
    return Each(x, [&](const Picture& p) {
      Erase(p, {whole(2), whole(3), whole(4), whole(5)}, 0);
    });
  }
  if (op == "jitter")
    return Each(x, [&](const Picture& p) { Jitter(p, {words.begin() + 1, words.end()}); });
  if (op == "rrc") {
    const CropBox box{whole(1), whole(2), whole(3), whole(4)};
    const int64_t size = std::stol(words.at(5).substr(2));
    return Into(x, size, size, [&](const Picture& from, const Picture& to) {
      ResizedCrop(from, box, words.at(6) + point, to);
    });
  }
  if (op == "resize24") {  // the shorter side to 24, then the centre 20x20
    const CropBox all{0, 0, x.size(2), x.size(3)};
    const int64_t height = 24 * x.size(2) / x.size(3);
    const auto resized = Into(x, height, 24, [&](const Picture& from, const Picture& to) {
      ResizedCrop(from, all, words.at(2) + point, to);
    });
    return resized.narrow(2, (height - 20) / 2, 20).narrow(3, 2, 20);
  }
  if (op == "rotate") {
    return Into(x, x.size(2), x.size(3), [&](const Picture& from, const Picture& to) {
      Affine(from, {-number(1), 0, 0, 1}, words.at(2), 0.0f, to);
    });
  }
  if (op == "affine") {
    const AffineMap map{std::stod(words.at(1).substr(1)), std::stod(words.at(2).substr(1)),
                        number(3), std::stod(words.at(4).substr(1))};
    return Into(x, x.size(2), x.size(3), [&](const Picture& from, const Picture& to) {
      Affine(from, map, words.at(5), {}, to);
    });
  }
  if (op == "blur" && words.at(1) == "pil")
    return Each(x, [&](const Picture& p) { Blur(p, number(3), 0, "pillow"); });
  if (op == "blur") {
    const int64_t radius = std::stol(words.at(1).substr(1)) / 2;
    return Each(x, [&](const Picture& p) { Blur(p, number(3), radius, "gaussian"); });
  }
  return {};
}

torch::Tensor RunSimclr(const torch::Tensor& x, const std::string& name) {
  const auto words = Split(name, '_');
  const float value = words.size() > 1 ? std::stof(words.back()) : 0.0f;
  if (name.starts_with("brightness_v1_add"))
    return Each(x, [&](const Picture& p) { AddBrightness(p, value); });
  if (name.starts_with("brightness_v2_mult"))
    return Each(x, [&](const Picture& p) { AdjustBrightness(p, value); });
  if (words[0] == "contrast")
    return Each(x, [&](const Picture& p) { AdjustContrastPerChannel(p, value); });
  if (words[0] == "saturation")
    return Each(x, [&](const Picture& p) { AdjustSaturationHsv(p, value); });
  if (words[0] == "hue") return Each(x, [&](const Picture& p) { AdjustHue(p, value); });
  if (words[0] == "gray") return Each(x, Grayscale);
  if (words[0] == "blur") {
    const int64_t radius = std::stol(words.at(1).substr(6)) / 2;
    return Each(x, [&](const Picture& p) { Blur(p, std::stod(words.at(3)), radius, "simclr"); });
  }
  return {};
}

// The pictures of the file: they are small and the operations run on the CPU.
torch::Tensor Input(const GoldenCase& c) { return FramesToFloat(c["in.images_hwc_u8"].cpu()); }

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What the tensor of 8-bit levels would be.
torch::Tensor Levels(const torch::Tensor& x) { return (x * 255).round().clamp(0, 255); }

TEST(AugmentGolden, TensorFloat) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = Input(c);
    for (const std::string family : {"tensor_f32.", "tensor_f32_noaa."}) {
      const auto expected = c.Under(family);
      EXPECT_FALSE(expected.empty());
      for (const auto& [name, value] : expected) {
        SCOPED_TRACE(family + name);
        const auto actual = RunOperation(x, name, family == "tensor_f32.");
        ASSERT_TRUE(actual.defined()) << "no such operation";
        const bool exact = name == "hflip" || name == "invert" || name.starts_with("cutout") ||
                           name.starts_with("solarize");
        EXPECT_TRUE(IsClose(actual, value,
                            {.absolute = exact                       ? 0.0
                                         : Contains(name, "bicubic") ? 1e-4
                                                                     : 1e-5}));
      }
    }
  }
}

TEST(AugmentGolden, Simclr) {
  for (const GoldenCase& c : GoldenCases("21_augmentations")) {
    const auto x = Input(c);
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
    const auto x = Input(c);
    const auto expected = c.Under("tensor_u8.");
    EXPECT_FALSE(expected.empty());
    for (const auto& [name, value] : expected) {
      SCOPED_TRACE(name);
      const auto actual = RunOperation(x, name, true);
      ASSERT_TRUE(actual.defined()) << "no such operation";
      EXPECT_TRUE(IsClose(Levels(actual), value.cpu().to(torch::kFloat),
                          {.absolute = name.starts_with("jitter") ? 4.0 : 1.0}));
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
    const auto x = Input(c);
    const auto expected = c.Under("pil.");
    EXPECT_FALSE(expected.empty());
    for (const auto& [name, value] : expected) {
      SCOPED_TRACE(name);
      const auto result = RunOperation(x, name, true);
      ASSERT_TRUE(result.defined()) << "no such operation";
      auto actual = Levels(result).permute({0, 2, 3, 1});
      auto wanted = value.cpu().to(torch::kFloat);
      if (name.starts_with("rotate") || name.starts_with("affine")) {
        // At the rim of the filled area Pillow takes the nearest pixel: compare where the picture
        // covers a pixel entirely.
        const auto inside =
            (RunOperation(torch::ones_like(x), name, true).permute({0, 2, 3, 1}) > 0.999)
                .to(torch::kFloat);
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
