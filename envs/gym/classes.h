// Gymnasium's v5 classes, one or two a file, and their constructor arguments: env.task.KEY has the
// argument's name and default. z is up, lengths in m, angles in rad.
//
// The formulas and the layouts of observation and info are those of *_v5.py; docs/environments.md
// has a table.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/env.h"

namespace v2r::gym {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What the classes that are paid for speed share. The defaults here are HalfCheetah's.
struct RunOptions {
  int64_t frame_skip = 5;
  double forward_reward_weight = 1;
  double ctrl_cost_weight = 0.1;
  double reset_noise_scale = 0.1;
  bool exclude_current_positions_from_observation = true;

  template <typename V>
  void Fields(V& v) {
    v("frame_skip", frame_skip, "steps of the simulation a step of the environment", AtLeast(1));
    v("forward_reward_weight", forward_reward_weight, "weight of the speed along x, m/s");
    v("ctrl_cost_weight", ctrl_cost_weight, "weight of the cost |action|^2");
    v("reset_noise_scale", reset_noise_scale, "how far the start is from the model's own pose",
      AtLeast(0));
    v("exclude_current_positions_from_observation", exclude_current_positions_from_observation,
      "the observation leaves out where the robot is in the plane it can move in");
  }
};

// Observation [17]: qpos without x (8), qvel (9).
std::unique_ptr<Env> MakeHalfCheetah(const RunOptions& options);

}  // namespace v2r::gym
