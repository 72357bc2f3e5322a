// Meta-World's v3 classes and what they can be told: env.task.KEY has the name that its code gives
// it. z is up; m, rad, s.
//
// A step is 5 steps of 2.5 ms. Actions [4] within +-1: the gripper's way in units of 1 cm (x, y, z)
// and its fingers, -1 open to 1 closed. The hand follows a mocap body through a weld.
//
// Observation [39]: hand (3), opening of the fingers in units of 0.1 m (1), object (3), its
// quaternion (4), 7 zeros; the same 18 of the step before; goal (3), zeros when it is hidden. A
// reward of v2 lies within 0 to 10.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/env.h"

namespace v2r::metaworld {

struct SawyerOptions {
  bool partially_observable = true;
  std::string reward_function_version = "v2";
  std::vector<double> rand_vec;

  template <typename V>
  void Fields(V& v) {
    v("partially_observable", partially_observable,
      "the observation has zeros in place of the goal");
    v("reward_function_version", reward_function_version, "which of Meta-World's two rewards",
      OneOf({"v1", "v2"}));
    v("rand_vec", rand_vec,
      "what a start draws, the same in every episode (Meta-World's set_task); empty = drawn");
  }
};

// The fingertips to a point in the air (red ball). rand_vec: puck (3), which lies in the way of
// nothing, and goal (3). Success: within 5 cm. TrueDistance: of the fingertips.
std::unique_ptr<Env> MakeReach(const SawyerOptions& options);
// Pull a drawer open by its handle. rand_vec: place of the cabinet (3), of which x differs.
// Success: within 3 cm of 20 cm, where its stop is: it has to be pulled on. TrueDistance: of the
// handle.
std::unique_ptr<Env> MakeDrawerOpen(const SawyerOptions& options);
// Press a button from above against its spring. rand_vec: place of the box (3). Success: within 2.4
// cm of the hole, which is beyond its stop: it has to be pressed on. TrueDistance: of the height.
std::unique_ptr<Env> MakeButtonPressTopdown(const SawyerOptions& options);
// Close a safe's door, open by 90 degrees, by its handle. rand_vec: place of the safe (3). Success:
// handle within 8 cm of its place when closed. TrueDistance: of the handle.
std::unique_ptr<Env> MakeDoorClose(const SawyerOptions& options);

}  // namespace v2r::metaworld
