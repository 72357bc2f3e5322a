// v2r/pose: a flat figure takes a posture.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [8]: velocities of left shoulder and elbow, right shoulder and elbow, left hip and knee,
// right hip and knee as fractions of 4 rad/s. Observation: cosines (8) and sines (8) of the joint
// angles, their velocities (8, in units of 4 rad/s), goal - present of elbow and hand, elbow and
// hand, knee and foot, knee and foot (16, in units of 0.1 m). Reward: -(mean distance of these
// eight points to where they belong) in units of 0.1 m. Success: the worst hand or foot is less
// than 3 cm off. Never terminates; 60 steps of 0.04 s. The figure starts with hanging arms (give or
// take 0.3 rad a joint) and closed legs (0.2). TrueDistance = distance of the worst hand or foot.
std::unique_ptr<Env> MakePose();

}  // namespace v2r
