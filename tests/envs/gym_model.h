// The MJCF of a gym/ task, for tests that look things up in it.
#pragma once

#include <map>
#include <string>

#include "envs/physics.h"

namespace v2r {

// id: "gym/Hopper-v5"
inline ModelPtr GymModel(const std::string& id) {
  const std::map<std::string, std::string> files = {
      {"gym/Ant-v5", "ant"},
      {"gym/HalfCheetah-v5", "half_cheetah"},
      {"gym/Hopper-v5", "hopper"},
      {"gym/Humanoid-v5", "humanoid"},
      {"gym/HumanoidStandup-v5", "humanoidstandup"},
      {"gym/InvertedDoublePendulum-v5", "inverted_double_pendulum"},
      {"gym/InvertedPendulum-v5", "inverted_pendulum"},
      {"gym/Pusher-v5", "pusher_v5"},
      {"gym/Reacher-v5", "reacher"},
      {"gym/Swimmer-v5", "swimmer"},
      {"gym/Walker2d-v5", "walker2d_v5"},
  };
  return LoadModel(WheelModel("gymnasium/envs/mujoco/assets/" + files.at(id) + ".xml"));
}

}  // namespace v2r
