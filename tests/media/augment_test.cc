#include "media/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "media/ops_color.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

torch::Tensor Pictures(int64_t batch, int64_t height = 32, int64_t width = 32) {
  std::vector<torch::Tensor> frames;
  for (int64_t b = 0; b < batch; ++b) {
    Image image = FilmFrame(static_cast<int>(height), static_cast<int>(width), static_cast<int>(b));
    frames.push_back(
        torch::from_blob(image.pixels.data(), {height, width, 3}, torch::kUInt8).clone());
  }
  return FramesToFloat(torch::stack(frames));
}

AugmentOptions None() { return AugmentOptions::Preset("none"); }

TEST(AugmentOptions, APresetSetsTheOtherKeysAndIsChangedByThem) {
  AugmentOptions options;
  Bind(ParseYaml("preset: simclr\nflip_p: 0.25\n", "test"), options);
  EXPECT_TRUE(options.crop);
  EXPECT_EQ(options.brightness, 0.8);
  EXPECT_EQ(options.flip_p, 0.25);
  EXPECT_EQ(options.shift, 0);
  AugmentOptions again;
  Bind(ParseYaml(Dump(options).ToYaml(), "dump"), again);
  EXPECT_EQ(Dump(again).ToYaml(), Dump(options).ToYaml());
  AugmentOptions plain;
  Bind(ParseYaml("hue: 0.1\n", "test"), plain);
  EXPECT_EQ(plain.shift, 2) << "the default is the preset 'position'";
  EXPECT_EQ(plain.hue, 0.1);
  EXPECT_THROW(AugmentOptions::Preset("strong"), UserError);
}

TEST(Augmenter, NoneChangesNothing) {
  const auto x = Pictures(4);
  Rng rng(1);
  EXPECT_TRUE(torch::equal(Augmenter(None())(x, rng), x));
}

TEST(Augmenter, StaysInRangeAndKeepsItsShape) {
  const auto x = Pictures(16);
  for (const std::string preset : {"simclr", "position"}) {
    AugmentOptions options = AugmentOptions::Preset(preset);
    options.affine_p = options.solarize_p = options.erase_p = options.blur_p = 0.5;
    options.noise_std = 0.2;
    for (const int64_t size : {0, 24}) {
      Rng rng(2);
      const auto y = Augmenter(options, size)(x, rng);
      const int64_t side = size > 0 ? size : 32;
      EXPECT_EQ(y.sizes(), torch::IntArrayRef({16, 3, side, side}));
      EXPECT_GE(y.min().item<float>(), 0);
      EXPECT_LE(y.max().item<float>(), 1);
      EXPECT_GT(y.std().item<float>(), 0.01);
    }
  }
}

TEST(Augmenter, TheStreamDecidesEverything) {
  const auto x = Pictures(8);
  const Augmenter augment(AugmentOptions::Preset("simclr"));
  Rng a(3), b(3), c(4);
  const auto first = augment(x, a);
  EXPECT_TRUE(torch::equal(first, augment(x, b)));
  EXPECT_FALSE(torch::equal(first, augment(x, c)));
  EXPECT_FALSE(torch::equal(first, augment(x, a))) << "the stream moves on";
  EXPECT_FALSE(torch::equal(first[0], first[1]));
}

TEST(Augmenter, APictureDoesNotDependOnItsNeighbours) {
  const auto x = Pictures(6);
  const Augmenter augment(AugmentOptions::Preset("simclr"));
  Rng rng(5);
  std::vector<AugmentDraw> draws;
  for (int i = 0; i < 6; ++i) draws.push_back(augment.Draw(rng, 32, 32));
  const auto together = augment.Apply(x, draws);
  for (int64_t i = 0; i < 6; ++i) {
    const auto alone =
        augment.Apply(x.slice(0, i, i + 1), std::span(draws).subspan(static_cast<size_t>(i), 1));
    EXPECT_LT((alone[0] - together[i]).abs().max().item<float>(), 1e-5);
  }
}

TEST(Augmenter, AGroupSharesOneDraw) {
  const auto x = Pictures(1).repeat({6, 1, 1, 1});
  Rng rng(6);
  const auto y = Augmenter(AugmentOptions::Preset("simclr"))(x, rng, 3);
  EXPECT_TRUE(torch::allclose(y[0], y[1]));
  EXPECT_TRUE(torch::allclose(y[3], y[5]));
  EXPECT_FALSE(torch::allclose(y[0], y[3], 1e-3, 1e-3));
}

TEST(Augmenter, PositionKeepsEverythingWithinTwoPixels) {
  AugmentOptions options = AugmentOptions::Preset("position");
  auto x = torch::full({1, 3, 32, 32}, 0.2);
  x.narrow(2, 12, 6).narrow(3, 20, 6).fill_(0.9);  // bright block, centre (14.5, 22.5)
  const Augmenter augment(options);
  std::set<std::pair<int64_t, int64_t>> shifts;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const auto y = augment(x, rng)[0].mean(0);
    const auto weight = (y - y.median()).clamp_min(0.2) - 0.2;
    const auto grid = torch::arange(32, torch::kFloat);
    const double total = weight.sum().item<double>();
    const double row = (weight.sum(1) * grid).sum().item<double>() / total;
    const double column = (weight.sum(0) * grid).sum().item<double>() / total;
    EXPECT_LT(std::abs(row - 14.5), 2.3);
    EXPECT_LT(std::abs(column - 22.5), 2.3);
    shifts.insert({std::lround(row - 14.5), std::lround(column - 22.5)});
  }
  EXPECT_GT(shifts.size(), 20u) << "nearly all of the 25 shifts occur";
}

TEST(Augmenter, ProbabilitiesAndRangesAreThoseAskedFor) {
  AugmentOptions options = AugmentOptions::Preset("simclr");
  options.affine_p = 0.3;
  options.solarize_p = 0.1;
  options.erase_p = 0.4;
  const Augmenter augment(options);
  Rng rng(9);
  double flips = 0, affine = 0, jitter = 0, gray = 0, blur = 0, solarize = 0, erase = 0, area = 0,
         brightness = 0;
  std::set<std::array<int64_t, 4>> orders;
  const int n = 4000;
  for (int i = 0; i < n; ++i) {
    const AugmentDraw d = augment.Draw(rng, 64, 64);
    flips += d.flip, affine += d.affine, jitter += d.jitter, gray += d.grayscale,
        blur += d.sigma > 0;
    solarize += d.solarize, erase += d.erase.height > 0;
    brightness += d.factors[0];
    area += static_cast<double>(d.crop.height * d.crop.width) / (64 * 64);
    orders.insert(d.order);
    EXPECT_GE(d.factors[0], 0.2f - 1e-6f);
    EXPECT_LE(d.factors[0], 1.8f);
    EXPECT_LE(std::abs(d.factors[3]), 0.2f);
    EXPECT_LE(std::abs(d.map.degrees), 20);
    EXPECT_TRUE(d.sigma == 0 || (d.sigma >= 0.1 && d.sigma <= 2));
    for (const CropBox& box : {d.crop, d.erase}) {
      EXPECT_GE(box.top, 0);
      EXPECT_GE(box.left, 0);
      EXPECT_LE(box.top + box.height, 64);
      EXPECT_LE(box.left + box.width, 64);
    }
    const double ratio = static_cast<double>(d.crop.width) / static_cast<double>(d.crop.height);
    EXPECT_GT(ratio, 0.70);
    EXPECT_LT(ratio, 1.42);
  }
  EXPECT_NEAR(flips / n, 0.5, 0.03);
  EXPECT_NEAR(affine / n, 0.3, 0.03);
  EXPECT_NEAR(jitter / n, 0.8, 0.03);
  EXPECT_NEAR(gray / n, 0.2, 0.03);
  EXPECT_NEAR(blur / n, 0.5, 0.03);
  EXPECT_NEAR(solarize / n, 0.1, 0.02);
  EXPECT_NEAR(erase / n, 0.4, 0.03);
  EXPECT_NEAR(brightness / n, 1.0, 0.03);
  // The mean of U(.08, 1) is .54; large boxes of uneven sides do not fit and are refused.
  EXPECT_GT(area / n, 0.45);
  EXPECT_LT(area / n, 0.52);
  EXPECT_EQ(orders.size(), 24u);
}

TEST(Augmenter, OneKeyDoesNotChangeTheDrawsOfAnother) {
  AugmentOptions a = AugmentOptions::Preset("simclr"), b = a;
  b.erase_p = 1;
  b.flip_p = 0;
  b.crop = false;
  Rng ra(10), rb(10);
  for (int i = 0; i < 20; ++i) {
    const auto da = Augmenter(a).Draw(ra, 32, 32), db = Augmenter(b).Draw(rb, 32, 32);
    EXPECT_EQ(da.factors, db.factors);
    EXPECT_EQ(da.order, db.order);
    EXPECT_EQ(da.sigma, db.sigma);
  }
}

TEST(Augmenter, EachStrengthDoesSomething) {
  const auto x = Pictures(8);
  const auto changed = [&](const std::string& yaml) {
    AugmentOptions options = None();
    Bind(ParseYaml("preset: none\n" + yaml, "test"), options);
    Rng rng(11);
    return !torch::equal(Augmenter(options)(x, rng), x);
  };
  for (const std::string yaml :
       {"shift: 2", "crop: true", "flip_p: 1", "affine_p: 1", "jitter_p: 1\nbrightness: .4",
        "jitter_p: 1\ncontrast: .4", "jitter_p: 1\nsaturation: .4", "jitter_p: 1\nhue: .1",
        "grayscale_p: 1", "blur_p: 1", "solarize_p: 1", "erase_p: 1", "noise_std: .1"}) {
    EXPECT_TRUE(changed(yaml)) << yaml;
  }
}

TEST(Augmenter, ResizesWithoutACrop) {
  auto x = torch::zeros({1, 3, 64, 64});
  x.narrow(2, 0, 2).narrow(3, 0, 2).fill_(1);
  Rng rng(1);
  const auto y = Augmenter(None(), 32)(x, rng);
  EXPECT_FLOAT_EQ(y[0][0][0][0].item<float>(), 1);
  EXPECT_FLOAT_EQ(y.sum().item<float>(), 3);
}

TEST(Augmenter, AMinimumAboveItsMaximumIsAnError) {
  AugmentOptions options;
  options.blur_sigma_min = 3;
  EXPECT_THAT(UserErrorOf([&] { Augmenter{options}; }), HasSubstr("augment.blur_sigma_min"));
}

TEST(AugmentOps, ShiftRepeatsTheEdge) {
  const auto x = torch::arange(12, torch::kFloat).view({1, 1, 3, 4}).repeat({1, 3, 1, 1});
  const auto y = torch::full_like(x, -1);
  const auto shifted = [&](int64_t down, int64_t right) {
    Shift(PictureOf(x, 0), down, right, PictureOf(y, 0));
    EXPECT_TRUE(torch::equal(y[0][0], y[0][2]));
    return y[0][1].flatten().to(torch::kInt);
  };
  EXPECT_TRUE(torch::equal(shifted(1, -2),
                           torch::tensor({2, 3, 3, 3, 2, 3, 3, 3, 6, 7, 7, 7}, torch::kInt)));
  EXPECT_TRUE(torch::equal(shifted(-1, 1),
                           torch::tensor({4, 4, 5, 6, 8, 8, 9, 10, 8, 8, 9, 10}, torch::kInt)));
  EXPECT_TRUE(torch::equal(shifted(9, 9),
                           torch::tensor({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, torch::kInt)));
}

TEST(AugmentOps, HsvIsInvertible) {
  torch::manual_seed(1);
  const auto x = torch::rand({1, 3, 30, 30});
  x[0].select(1, 0).fill_(0.5);  // grey
  x[0].select(1, 1).fill_(0);
  const auto y = x.clone();
  RgbToHsv(PictureOf(y, 0));
  EXPECT_GE(y.min().item<float>(), 0);
  EXPECT_LT(y.select(1, 0).max().item<float>(), 1);
  HsvToRgb(PictureOf(y, 0));
  EXPECT_TRUE(torch::allclose(y, x, 0, 1e-5));
  for (const float turns : {1.0f, -2.0f}) {
    AdjustHue(PictureOf(y, 0), turns);
    EXPECT_TRUE(torch::allclose(y, x, 0, 1e-4)) << "all the way round";
  }
}

TEST(AugmentOps, FactorsOfOneChangeNothing) {
  const auto x = Pictures(1);
  const auto y = x.clone();
  const Picture p = PictureOf(y, 0);
  AdjustBrightness(p, 1);
  AdjustContrast(p, 1);
  AdjustSaturation(p, 1);
  AdjustContrastPerChannel(p, 1);
  AddBrightness(p, 0);
  EXPECT_TRUE(torch::equal(y, x));
  AdjustContrast(p, 0);
  EXPECT_LT(y.std().item<float>(), 1e-6) << "nothing is left";
}

TEST(AugmentOps, BlurKeepsTheMeanAndTakesTheDetail) {
  for (const std::string kind : {"gaussian", "pillow"}) {
    const auto x = Pictures(1);
    const auto y = x.clone(), z = x.clone();
    Blur(PictureOf(y, 0), 1, 6, kind);
    Blur(PictureOf(z, 0), 2, 6, kind);
    EXPECT_NEAR(y.mean().item<float>(), x.mean().item<float>(), 0.01) << kind;
    EXPECT_LT(y.std().item<float>(), x.std().item<float>()) << kind;
    EXPECT_LT(z.std().item<float>(), y.std().item<float>()) << kind;
  }
}

TEST(AugmentOps, AffineOfNothingIsTheIdentity) {
  const auto x = Pictures(1, 20, 30);
  for (const std::string mode : {"bilinear", "nearest"}) {
    const auto y = torch::zeros_like(x);
    Affine(PictureOf(x, 0), {}, mode, 0.5f, PictureOf(y, 0));
    EXPECT_TRUE(torch::allclose(y, x, 0, 1e-6)) << mode;
    Affine(PictureOf(x, 0), {0, 4, 0, 1}, mode, 0.5f, PictureOf(y, 0));
    EXPECT_TRUE(torch::allclose(y.narrow(3, 4, 26), x.narrow(3, 0, 26), 0, 1e-6)) << mode;
    EXPECT_TRUE((y.narrow(3, 0, 4) == 0.5).all().item<bool>()) << mode;
  }
}

TEST(AugmentOps, FramesToFloatScalesAndMovesChannels) {
  const auto frames =
      torch::tensor({0, 51, 255}, torch::kUInt8).view({1, 1, 1, 3}).expand({2, 4, 5, 3});
  const auto x = FramesToFloat(frames);
  EXPECT_EQ(x.sizes(), torch::IntArrayRef({2, 3, 4, 5}));
  EXPECT_FLOAT_EQ(x[1][1][3][4].item<float>(), 0.2f);
  EXPECT_FLOAT_EQ(x[0][2][0][0].item<float>(), 1.0f);
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_THROW(FramesToFloat(torch::zeros({2, 4, 5, 3})), Error);
}

}  // namespace
}  // namespace v2r
