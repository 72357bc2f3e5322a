// The suite's tolerance function against values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "envs/dmc/tolerance.h"

namespace v2r::dmc {
namespace {

TEST(Tolerance, IsOneWithinTheBoundsAndAtThem) {
  for (const double x : {-1.0, 0.3, 2.0}) {
    EXPECT_EQ(Tolerance(x, {.lower = -1, .upper = 2}), 1) << x;
    EXPECT_EQ(Tolerance(x, {.lower = -1, .upper = 2, .margin = 1}), 1) << x;
  }
  EXPECT_EQ(Tolerance(0, {}), 1) << "both bounds are 0";
  EXPECT_EQ(Tolerance(1e9, {.lower = 5, .upper = kInfinity}), 1);
}

TEST(Tolerance, IsZeroOutsideWithoutMargin) {
  EXPECT_EQ(Tolerance(-1.001, {.lower = -1, .upper = 2}), 0);
  EXPECT_EQ(Tolerance(2.001, {.lower = -1, .upper = 2}), 0);
  EXPECT_EQ(Tolerance(1e-300, {}), 0);
}

TEST(Tolerance, CountsTheDistanceInMarginsOnBothSides) {
  // A quarter of the margin outside: 1 - 0.25.
  const Zone zone{
      .lower = -1, .upper = 3, .margin = 8, .sigmoid = Sigmoid::kLinear, .value_at_margin = 0};
  EXPECT_DOUBLE_EQ(Tolerance(5, zone), 0.75);
  EXPECT_DOUBLE_EQ(Tolerance(-3, zone), 0.75);
}

struct Case {
  Sigmoid sigmoid;
  double value;     // at the margin
  double d;         // distance in margins
  double expected;  // by hand
};

TEST(Tolerance, SigmoidsHaveTheValuesWorkedOutByHand) {
  const Case cases[] = {
      // v^(d^2)
      {Sigmoid::kGaussian, 0.1, 0.5, std::pow(0.1, 0.25)},
      {Sigmoid::kGaussian, 0.1, 2, 1e-4},
      {Sigmoid::kGaussian, 0.5, 1.5, std::pow(0.5, 2.25)},
      // 1 / cosh(d x) with cosh(x) = 1 / v = 2: cosh(x / 2) = sqrt(3 / 2), cosh(2 x) = 7
      {Sigmoid::kHyperbolic, 0.5, 0.5, std::sqrt(2.0 / 3)},
      {Sigmoid::kHyperbolic, 0.5, 2, 1.0 / 7},
      // 1 / (9 d^2 + 1)
      {Sigmoid::kLongTail, 0.1, 0.5, 4.0 / 13},
      {Sigmoid::kLongTail, 0.1, 2, 1.0 / 37},
      // 1 / (9 d + 1)
      {Sigmoid::kReciprocal, 0.1, 0.5, 2.0 / 11},
      {Sigmoid::kReciprocal, 0.1, 2, 1.0 / 19},
      // 1 - tanh(d x)^2 with tanh(x) = 0.8, so x = ln 3: tanh(x / 2) = 1 / 2, tanh(2 x) = 40 / 41
      {Sigmoid::kTanhSquared, 0.36, 0.5, 0.75},
      {Sigmoid::kTanhSquared, 0.36, 2, 81.0 / 1681},
      // (1 + cos(d x)) / 2 with x = pi / 2, then pi
      {Sigmoid::kCosine, 0.5, 0.5, (1 + std::sqrt(0.5)) / 2},
      {Sigmoid::kCosine, 0.5, 2.1, 0},
      {Sigmoid::kCosine, 0, 0.5, 0.5},
      {Sigmoid::kCosine, 0, 1, 0},
      // 1 - d (1 - v)
      {Sigmoid::kLinear, 0.5, 0.5, 0.75},
      {Sigmoid::kLinear, 0.5, 1.9, 0.05},
      {Sigmoid::kLinear, 0.5, 2.1, 0},
      {Sigmoid::kLinear, 0, 0.25, 0.75},
      {Sigmoid::kLinear, 0, 1, 0},
      // 1 - d^2 (1 - v)
      {Sigmoid::kQuadratic, 0, 0.5, 0.75},
      {Sigmoid::kQuadratic, 0, 1, 0},
      {Sigmoid::kQuadratic, 0.5, 1.2, 0.28},
      {Sigmoid::kQuadratic, 0.5, 1.5, 0},
  };
  for (const Case& c : cases) {
    for (const double margin : {1.0, 0.25}) {
      const Zone zone{.margin = margin, .sigmoid = c.sigmoid, .value_at_margin = c.value};
      SCOPED_TRACE(static_cast<int>(c.sigmoid));
      EXPECT_NEAR(Tolerance(c.d * margin, zone), c.expected, 1e-14) << c.d;
      EXPECT_NEAR(Tolerance(-c.d * margin, zone), c.expected, 1e-14) << -c.d;
      EXPECT_NEAR(Tolerance(margin, zone), c.value, 1e-14) << "at the margin";
      EXPECT_NEAR(Tolerance(1e-9 * margin, zone), 1, 1e-7) << "continuous at the bound";
    }
  }
}

TEST(Tolerance, RefusesWhatHasNoMeaning) {
  EXPECT_THROW(Tolerance(0, {.lower = 1, .upper = -1}), Error);
  EXPECT_THROW(Tolerance(0, {.margin = -1}), Error);
  EXPECT_THROW(Tolerance(1, {.margin = 1, .value_at_margin = 1}), Error);
  EXPECT_THROW(Tolerance(1, {.margin = 1, .value_at_margin = 0}), Error)
      << "a Gaussian never gets to 0";
  EXPECT_THROW(Tolerance(1, {.margin = 1, .sigmoid = Sigmoid::kCosine, .value_at_margin = -0.1}),
               Error);
}

}  // namespace
}  // namespace v2r::dmc
