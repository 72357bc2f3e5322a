// v2r/drawer: a peg hooks in behind the handle of a drawer and pulls it open.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [2]: peg velocity in x and y as fractions of 0.3 m/s. Observation (lengths in units of
// 0.1 m, speeds of 0.3 m/s): peg (2), its velocity (2), opening, its velocity, end of the handle's
// bar - peg (2), opening that is missing. Reward: -(missing opening + 0.3 way of the peg to behind
// the bar) in units of 0.1 m. Success: less than 3 cm are missing of an opening of 15 cm. Never
// terminates; 80 steps of 0.04 s. The drawer starts closed or up to 3 cm open, the peg anywhere
// below the handle.
std::unique_ptr<Env> MakeDrawer();

}  // namespace v2r
