// v2r/push and v2r/push_wide: a cylinder pushes a puck in the plane.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [2]: pusher velocity in x and y as fractions of 0.3 m/s. Observation (lengths in units of
// 0.1 m, speeds of 0.3 m/s): pusher (2), its velocity (2), puck (2), its velocity (2), puck -
// pusher (2), target - puck (2). Reward: -(|puck - target| + 0.2 max(0, |pusher - puck| - 5 cm)) in
// units of 0.1 m. Success: puck within 4.5 cm of the disc's centre. Never terminates; 80 steps of
// 0.04 s. The puck starts in a box of 12 x 5 cm, or with `wide` anywhere.
std::unique_ptr<Env> MakePush(bool wide);

}  // namespace v2r
