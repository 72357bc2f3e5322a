// How the suite's rewards judge a number: 1 within bounds, less with the distance outside
// (dm_control/utils/rewards.py).
#pragma once

#include <limits>

namespace v2r::dmc {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Shape of the fall, with d = distance to the nearer bound in margins. Each is 1 at d = 0 and
// `value_at_margin` at d = 1; the last three reach 0 at a finite d and allow value_at_margin = 0.
enum class Sigmoid {
  kGaussian,
  kHyperbolic,
  kLongTail,
  kReciprocal,
  kTanhSquared,
  kCosine,
  kLinear,
  kQuadratic,
};

// The numbers that are wanted: lower <= x <= upper. With margin 0 everything else is worth 0.
struct Zone {
  double lower = 0, upper = 0;
  double margin = 0;
  Sigmoid sigmoid = Sigmoid::kGaussian;
  double value_at_margin = 0.1;

  bool Holds(double x) const { return lower <= x && x <= upper; }
};

double Tolerance(double x, const Zone& zone);

}  // namespace v2r::dmc
