// v2r/sweep_stick, v2r/sweep_paddle and v2r/sweep_fork: one task for tools of different shape.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r {

enum class SweepTool { kStick, kPaddle, kFork };

// Actions [2]: tool velocity in x and y as fractions of 0.25 (stick), 0.4 (paddle) or 0.65
// m/s (fork). Observation (lengths in units of 0.1 m, speeds in those of the tool): tool (2), its
// velocity (2), then for each of three pucks: puck (2), puck - tool (2), way to the zone. Reward:
// -(mean over pucks of: way to the zone + 0.2 way of the tool to under the puck, round its side
// where the tool is above it; 0 for pucks in the zone) in units of 0.1 m. Success: all three
// centres are in the zone at the upper edge. Never terminates; 100 steps of 0.04 s. The tool starts
// at the lower edge, the pucks in the middle, some 9 cm from each other: the stick takes all of
// them in one go, the paddle two, the fork one. TrueDistance = longest way to the zone.
std::unique_ptr<Env> MakeSweep(SweepTool tool);

}  // namespace v2r
