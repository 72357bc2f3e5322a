// v2r/pick_place: a suction cup lifts a cube onto a pillar.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [4]: cup velocity in x, y and z as fractions of 0.3 m/s; suction (4 N at 1, none below
// 0). Observation (lengths in units of 0.1 m, speeds of 0.3 m/s): cup (3), its velocity (3), top of
// the cube - cup (3), velocity of the cube (3), place on the pillar - cube (3). Reward, in units of
// 0.1 m: -(h + |z - w(h)| + 0.3 c), where h is the cube's distance to the place seen from above, z
// its height over it and w = 2.5 cm where h > 5 cm, falling to 0 at h = 0 (the way to go); c = 3 cm
// + distance of the cup to the cube's top, or, when the cube stands there, what the cup lacks to 3
// cm of distance. Success: the cube stands within 2.5 cm of the place and the cup is more than 2 cm
// away. Never terminates; 100 steps of 0.04 s.
std::unique_ptr<Env> MakePickPlace();

}  // namespace v2r
