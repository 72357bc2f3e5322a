// v2r/button: a finger presses a button against its spring and holds it.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [2]: finger velocity in x and y as fractions of 0.3 m/s. Observation (lengths in units of
// 0.1 m, speeds of 0.3 m/s): finger (2), its velocity (2), depth pressed, its velocity, face of the
// button - finger (2), depth that is missing. Reward: -(2 missing depth + 0.5 gap between finger
// and face) in units of 0.1 m. Success: pressed to less than 6 mm of 4 cm for 5 steps in a row, the
// step's included. Never terminates; 60 steps of 0.04 s. The finger starts anywhere in the lower
// half. TrueDistance = missing depth + gap.
std::unique_ptr<Env> MakeButton();

}  // namespace v2r
