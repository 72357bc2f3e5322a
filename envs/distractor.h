// What the distractor variant of a task adds: a disc that wanders over the floor, and a floor whose
// brightness swings between about a quarter and all of its own. Both are drawn per episode and mean
// nothing for the task.
#pragma once

#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace v2r {

struct Distractor {
  double centre[2] = {0, 0}, reach[2] = {0, 0}, rate[2] = {0, 0}, phase[2] = {0, 0};
  // The factor on the floor's colour swings around `floor`.
  double floor = 1, swing = 0, swing_rate = 0, swing_phase = 0;

  void Draw(Rng& rng) {
    for (int axis = 0; axis < 2; ++axis) {
      centre[axis] = rng.Uniform(-0.1, 0.1);
      reach[axis] = rng.Uniform(0.05, 0.13);
      rate[axis] = rng.Uniform(0.8, 2.5) * (rng.Bernoulli(0.5) ? 1 : -1);  // rad/s
      phase[axis] = rng.Uniform(-std::numbers::pi, std::numbers::pi);
    }
    floor = rng.Uniform(0.6, 0.7);
    swing = 0.4;
    swing_rate = rng.Uniform(2, 6);  // rad/s
    swing_phase = rng.Uniform(-std::numbers::pi, std::numbers::pi);
  }
  // Writes x and y at `seconds` of the episode; position[2] is left as it is.
  void Place(double seconds, double* position) const {
    for (int axis = 0; axis < 2; ++axis) {
      position[axis] = centre[axis] + reach[axis] * std::sin(rate[axis] * seconds + phase[axis]);
    }
  }
  double Floor(double seconds) const {
    return floor + swing * std::sin(swing_rate * seconds + swing_phase);
  }
};

}  // namespace v2r
