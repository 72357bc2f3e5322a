#include "envs/dmc/tolerance.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace v2r::dmc {
namespace {

double Fall(double d, double value, Sigmoid sigmoid) {
  switch (sigmoid) {
    case Sigmoid::kGaussian: {
      const double x = d * std::sqrt(-2 * std::log(value));
      return std::exp(-0.5 * x * x);
    }
    case Sigmoid::kHyperbolic:
      return 1 / std::cosh(d * std::acosh(1 / value));
    case Sigmoid::kLongTail: {
      const double x = d * std::sqrt(1 / value - 1);
      return 1 / (x * x + 1);
    }
    case Sigmoid::kReciprocal:
      return 1 / (std::abs(d) * (1 / value - 1) + 1);
    case Sigmoid::kTanhSquared: {
      const double t = std::tanh(d * std::atanh(std::sqrt(1 - value)));
      return 1 - t * t;
    }
    case Sigmoid::kCosine: {
      const double x = d * std::acos(2 * value - 1);  // rad
      return std::abs(x) < std::numbers::pi ? (1 + std::cos(x)) / 2 : 0;
    }
    case Sigmoid::kLinear: {
      const double x = d * (1 - value);
      return std::abs(x) < 1 ? 1 - x : 0;
    }
    case Sigmoid::kQuadratic: {
      const double x = d * std::sqrt(1 - value);
      return std::abs(x) < 1 ? 1 - x * x : 0;
    }
  }
  V2R_CHECK(false, "unknown sigmoid {}", static_cast<int>(sigmoid));
  return 0;
}

}  // namespace

double Tolerance(double x, const Zone& zone) {
  V2R_CHECK(zone.lower <= zone.upper && zone.margin >= 0, "bounds {} to {}, margin {}", zone.lower,
            zone.upper, zone.margin);
  if (zone.Holds(x)) return 1;
  if (zone.margin == 0) return 0;
  const double lowest = zone.sigmoid >= Sigmoid::kCosine ? 0 : std::numeric_limits<double>::min();
  V2R_CHECK(zone.value_at_margin >= lowest && zone.value_at_margin < 1, "value at margin {}",
            zone.value_at_margin);
  const double distance = x < zone.lower ? zone.lower - x : x - zone.upper;
  return Fall(distance / zone.margin, zone.value_at_margin, zone.sigmoid);
}

}  // namespace v2r::dmc
