// v2r/reach and v2r/reach_goal: a planar arm of two 0.1 m links.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

// Actions [2]: joint velocities as fractions of 3 rad/s. Observation (lengths in units of 0.1 m,
// speeds of 3 rad/s): cos q (2), sin q (2), qvel (2), tip (2), goal - tip (2), and with
// `random_goal` the goal (2). Reward: -|tip - goal| in units of 0.1 m. Success: tip within 2 cm.
// Never terminates; 50 steps of 0.04 s. The expert always ends with the elbow bent to the same
// side, so that the goal has one picture; with `random_goal` expert and goal picture take the side
// that is nearer at the start.
std::unique_ptr<Env> MakeReach(bool random_goal);

}  // namespace v2r
