// What the distractor variant of a task adds: a disc that wanders over the floor and a floor
// brightness, both drawn per episode and without meaning for the task.
#pragma once

#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace v2r {

struct Distractor {
  double centre[2] = {0, 0}, reach[2] = {0, 0}, rate[2] = {0, 0}, phase[2] = {0, 0};
  double floor = 1;  // factor on the floor's colour

  void Draw(Rng& rng) {
    for (int axis = 0; axis < 2; ++axis) {
      centre[axis] = rng.Uniform(-0.1, 0.1);
      reach[axis] = rng.Uniform(0.05, 0.13);
      rate[axis] = rng.Uniform(0.8, 2.5) * (rng.Bernoulli(0.5) ? 1 : -1);  // rad/s
      phase[axis] = rng.Uniform(-std::numbers::pi, std::numbers::pi);
    }
    floor = rng.Uniform(0.7, 1.1);
  }
  // Writes x and y at `seconds` of the episode; position[2] is left as it is.
  void Place(double seconds, double* position) const {
    for (int axis = 0; axis < 2; ++axis) {
      position[axis] = centre[axis] + reach[axis] * std::sin(rate[axis] * seconds + phase[axis]);
    }
  }
};

}  // namespace v2r
