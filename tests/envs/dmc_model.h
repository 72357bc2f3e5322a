// The MJCF of a dmc/ task, for tests that look things up in it.
#pragma once

#include <string>

#include "core/error.h"
#include "envs/physics.h"

namespace v2r {

// id: "dmc/point_mass_easy"; the model as it was before any task wrote to it.
inline ModelPtr DmcModel(const std::string& id) {
  for (const std::string domain : {"ball_in_cup", "cartpole", "cheetah", "finger", "hopper",
                                   "humanoid", "pendulum", "point_mass", "reacher", "walker"}) {
    if (id.starts_with("dmc/" + domain + "_")) {
      return LoadModel(WheelModel("dm_control/suite/" + domain + ".xml"));
    }
  }
  throw Error(id + " is of no domain known to the tests");
}

}  // namespace v2r
