// Mixup, CutMix and the losses of soft targets, by numbers worked out by hand.
#include "learn/mixup.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"
#include "learn/losses.h"

namespace v2r {
namespace {

void ExpectNear(const torch::Tensor& actual, const torch::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_LT((actual - expected).abs().max().item<double>(), 1e-6) << actual;
}

// lambda .75 leaves a box of half the sides, 16 of 32, cut off where the picture ends.
TEST(CutBoxAround, HasTheAreaThatLambdaAsksForButForTheBorder) {
  const CutBox inside = CutBoxAround(32, 32, 0.75, 16, 16);
  EXPECT_EQ(inside.area(), 256);
  EXPECT_EQ(inside.top, 8);
  EXPECT_EQ(inside.right, 24);
  const CutBox corner = CutBoxAround(32, 32, 0.75, 4, 30);
  EXPECT_EQ(corner.top, 0);
  EXPECT_EQ(corner.bottom, 12);
  EXPECT_EQ(corner.left, 22);
  EXPECT_EQ(corner.right, 32);
  // sqrt(.5): sides of 7.07 and 14.14, halves of 3 and 7.
  const CutBox odd = CutBoxAround(10, 20, 0.5, 5, 10);
  EXPECT_EQ(odd.bottom - odd.top, 6);
  EXPECT_EQ(odd.right - odd.left, 14);
  EXPECT_EQ(CutBoxAround(32, 32, 1, 5, 5).area(), 0);
}

TEST(MixTargets, SmoothedOneHotsInTheSharesOfThePictures) {
  const auto targets = torch::tensor({0, 2, 1, 2}, torch::kInt64);
  const std::vector<Mix> mixes(4, Mix{.lambda = 0.75});
  // Smoothing .3 of 3 classes: .8 and .1. Row 0 meets row 3, row 1 row 2.
  ExpectNear(
      MixTargets(targets, 3, mixes, 0.3),
      torch::tensor(
          {{0.625, 0.1, 0.275}, {0.1, 0.275, 0.625}, {0.1, 0.625, 0.275}, {0.275, 0.1, 0.625}}));
  std::vector<Mix> own(4);
  own[1].lambda = 0.5;
  ExpectNear(MixTargets(targets, 3, own, 0),
             torch::tensor({{1., 0., 0.}, {0., 0.5, 0.5}, {0., 1., 0.}, {0., 0., 1.}}));
}

TEST(MixPictures, BlendsOrPastesTheBoxOfThePartner) {
  const auto x = torch::arange(4).to(torch::kFloat).view({4, 1, 1, 1}).expand({4, 3, 6, 6});
  std::vector<Mix> mixes(4);
  mixes[0].lambda = 0.25;
  mixes[2] = {.lambda = 0.75, .cut = true, .box = {.top = 1, .bottom = 4, .left = 0, .right = 3}};
  const auto mixed = MixPictures(x, mixes);
  EXPECT_FLOAT_EQ(mixed[0].mean().item<float>(), 0.75f * 3);
  EXPECT_TRUE(torch::equal(mixed[1], x[1]));
  EXPECT_TRUE(torch::equal(mixed[3], x[3]));
  EXPECT_EQ(mixed[2].eq(1).sum().item<int64_t>(), 3 * 9);
  EXPECT_EQ(mixed[2][1][3][2].item<float>(), 1);
  EXPECT_EQ(mixed[2][1][4][2].item<float>(), 2);
  EXPECT_EQ(x[0].max().item<float>(), 0) << "the input is as it was";
}

TEST(DrawMixes, LambdaIsTheShareThatTheBoxLeaves) {
  Rng rng(1);
  for (int i = 0; i < 50; ++i) {
    const auto mixes = DrawMixes({.cutmix = 1}, 4, 20, 30, rng);
    ASSERT_EQ(mixes.size(), 4u);
    for (const Mix& mix : mixes) {
      EXPECT_TRUE(mix.cut);
      EXPECT_DOUBLE_EQ(mix.lambda, 1 - static_cast<double>(mix.box.area()) / 600);
      EXPECT_EQ(mix.lambda, mixes[0].lambda) << "one draw for the batch";
    }
  }
}

// Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
TEST(DrawMixes, LambdaIsBetaDistributed) {
  for (const double alpha : {0.2, 0.8, 2.0}) {
    Rng rng(3);
    const auto mixes = DrawMixes({.mixup = alpha, .mode = "elem"}, 4000, 8, 8, rng);
    double sum = 0, squares = 0;
    for (const Mix& mix : mixes) {
      EXPECT_FALSE(mix.cut);
      sum += mix.lambda;
      squares += mix.lambda * mix.lambda;
    }
    const double mean = sum / 4000;
    EXPECT_NEAR(mean, 0.5, 0.03) << alpha;
    EXPECT_NEAR(squares / 4000 - mean * mean, 1 / (4 * (2 * alpha + 1)), 0.01) << alpha;
  }
}

TEST(DrawMixes, ProbabilitiesAndModes) {
  const auto count = [](const MixSpec& spec, auto what) {
    Rng rng(5);
    int64_t n = 0;
    for (const Mix& mix : DrawMixes(spec, 2000, 64, 64, rng)) n += what(mix);
    return static_cast<double>(n) / 2000;
  };
  const auto mixed = [](const Mix& mix) { return mix.cut || mix.lambda < 1; };
  const auto cut = [](const Mix& mix) { return mix.cut; };
  EXPECT_EQ(count({.mode = "elem"}, mixed), 0) << "both are off";
  EXPECT_NEAR(count({.mixup = 1, .prob = 0.3, .mode = "elem"}, mixed), 0.3, 0.04);
  EXPECT_NEAR(count({.mixup = 1, .cutmix = 1, .switch_prob = 0.2, .mode = "elem"}, cut), 0.2, 0.04);
  EXPECT_EQ(count({.cutmix = 1, .switch_prob = 0, .mode = "elem"}, cut), 1);
  Rng rng(7);
  const auto pairs = DrawMixes({.mixup = 1, .mode = "pair"}, 6, 8, 8, rng);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pairs[i].lambda, pairs[5 - i].lambda);
  EXPECT_NE(pairs[0].lambda, pairs[1].lambda);
  EXPECT_THROW(DrawMixes({.mixup = 1, .mode = "half"}, 6, 8, 8, rng), UserError);
}

// Probabilities 1/4 and 3/4 against even targets.
TEST(SoftTargetCrossEntropy, IsTheMeanOverRows) {
  const auto logits = torch::tensor({{0.0, std::log(3.0)}, {std::log(3.0), 0.0}}, torch::kDouble);
  const auto even = torch::tensor({{0.5, 0.5}}, torch::kDouble);
  EXPECT_NEAR(SoftTargetCrossEntropy(logits.slice(0, 0, 1), even).item<double>(), 0.836988, 1e-6);
  const auto targets = torch::tensor({{0.5, 0.5}, {1.0, 0.0}}, torch::kDouble);
  EXPECT_NEAR(SoftTargetCrossEntropy(logits, targets).item<double>(),
              (0.836988 - std::log(0.75)) / 2, 1e-6);
}

// Teacher (0, 2 ln 3) at tau 2: (1/4, 3/4). A student of equal logits: tau^2 ln 2, and by each
// logit tau (1/2 - q).
TEST(DistillationLoss, ValueAndGradientByHand) {
  auto student = torch::zeros({1, 2}, torch::kDouble).requires_grad_(true);
  const auto teacher = torch::tensor({{0.0, 2 * std::log(3.0)}}, torch::kDouble);
  const auto loss = DistillationLoss(student, teacher, 2);
  EXPECT_NEAR(loss.item<double>(), 4 * std::log(2.0), 1e-9);
  loss.backward();
  EXPECT_NEAR(student.grad()[0][0].item<double>(), 0.5, 1e-9);
  EXPECT_NEAR(student.grad()[0][1].item<double>(), -0.5, 1e-9);
}

}  // namespace
}  // namespace v2r
