// Pictures of the metaworld/ tasks show what the task is about.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/envs/drive.h"

namespace v2r {
namespace {

std::vector<uint8_t> FirstPicture(const std::string& id, const std::string& rand_vec) {
  EnvOptions options = Small(id, 1, /*render=*/true);
  options.frame_size = 64;
  options.supersample = 2;
  options.task = ParseYaml("rand_vec: [" + rand_vec + "]", "test");
  return Look(MakeVectorEnv(options)->Reset(1)).frame;
}

// Pixels in which some channel differs by more than 30 grey levels.
int64_t Different(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int64_t count = 0;
  for (size_t k = 0; k < a.size(); k += 3) {
    int most = 0;
    for (size_t c = k; c < k + 3; ++c) most = std::max(most, std::abs(a[c] - b[c]));
    count += most > 30;
  }
  return count;
}

TEST(MetaworldPictures, PlacesOfGoalsAndThingsAreSeen) {
  EXPECT_GE(Different(FirstPicture("metaworld/reach", "0, 0.6, 0.02, -0.08, 0.85, 0.1"),
                      FirstPicture("metaworld/reach", "0, 0.6, 0.02, 0.08, 0.85, 0.25")),
            8);
  for (const std::string id : {"metaworld/drawer-open", "metaworld/door-close"}) {
    EXPECT_GE(Different(FirstPicture(id, "0.0, 0.9, 0.15"), FirstPicture(id, "0.1, 0.9, 0.15")), 60)
        << id;
  }
}

// The state as it is: a handle 10 cm out, a door closed, a button pressed.
TEST(MetaworldPictures, WhatCountsIsSeen) {
  struct Move {
    std::string id;
    double from, to;  // of the thing's joint
    int64_t pixels;
  };
  const Move moves[] = {{"metaworld/drawer-open", 0, -.1, 40},
                        {"metaworld/door-close", -1.5, 0, 100},
                        {"metaworld/button-press-topdown", 0, -.05, 12}};
  for (const Move& move : moves) {
    SCOPED_TRACE(move.id);
    EnvOptions options = Small(move.id, 1, /*render=*/true);
    options.frame_size = 64;
    options.supersample = 2;
    const auto env = MakeVectorEnv(options);
    env->Reset(1);
    StateDict state;
    env->SaveState(state);
    const auto row = state.at("sim").as<double>();
    StartState start;
    start.qpos.assign(row.begin() + 1, row.begin() + 11);
    start.qpos[9] = move.from;
    const auto before = Look(env->SetState(0, start)).next_frame;
    start.qpos[9] = move.to;
    EXPECT_GE(Different(Look(env->SetState(0, start)).next_frame, before), move.pixels);
  }
}

}  // namespace
}  // namespace v2r
