// Pictures of the gym/ tasks show what the task is about.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/envs/drive.h"
#include "tests/envs/gym_model.h"

namespace v2r {
namespace {

constexpr int64_t kSize = 64;

std::unique_ptr<VectorEnv> MakeDrawn(const std::string& id) {
  EnvOptions options = Small(id, 1, /*render=*/true);
  options.frame_size = kSize;
  options.supersample = 2;
  return MakeVectorEnv(options);
}

StartState Rest(const std::string& id) {
  const ModelPtr model = GymModel(id);
  StartState start;
  start.qpos.assign(model->qpos0, model->qpos0 + model->nq);
  return start;
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

struct Move {
  std::string id;
  int entry;  // of qpos
  double by;
  int64_t pixels;  // that differ then, at least
};

TEST(GymPictures, WhatCountsIsSeen) {
  const Move moves[] = {
      {"gym/Reacher-v5", 0, 0.5, 40},           // the arm
      {"gym/Reacher-v5", 3, 0.15, 4},           // the target, 18 mm wide
      {"gym/Pusher-v5", 7, -0.2, 8},            // the cylinder, 10 cm wide
      {"gym/Pusher-v5", 0, 0.5, 60},            // the arm
      {"gym/InvertedPendulum-v5", 1, 0.2, 20},  // where the episode ends
      {"gym/InvertedDoublePendulum-v5", 1, 0.3, 8},
      {"gym/HalfCheetah-v5", 2, 0.5, 60},
      {"gym/Ant-v5", 8, 0.8, 20},
      {"gym/Hopper-v5", 2, 0.3, 60},
      {"gym/Walker2d-v5", 2, 0.3, 60},
      {"gym/Humanoid-v5", 2, -0.4, 60},
      {"gym/HumanoidStandup-v5", 2, 0.4, 60},
      {"gym/Swimmer-v5", 3, 1, 60},
  };
  for (const Move& move : moves) {
    SCOPED_TRACE(fmt::format("{} qpos[{}]", move.id, move.entry));
    const auto env = MakeDrawn(move.id);
    env->Reset(1);
    StartState start = Rest(move.id);
    const auto before = Look(env->SetState(0, start)).next_frame;
    start.qpos[move.entry] += move.by;
    EXPECT_GE(Different(Look(env->SetState(0, start)).next_frame, before), move.pixels);
  }
}

// The task leaves positions a substep old; the picture is of the state all the same.
TEST(GymPictures, AreOfTheStateAfterTheStep) {
  for (const std::string id : {"gym/HalfCheetah-v5", "gym/Ant-v5", "gym/Reacher-v5"}) {
    SCOPED_TRACE(id);
    const auto env = MakeDrawn(id);
    const ModelPtr m = GymModel(id);
    const auto seen = Roll(*env, 4, 8);
    StateDict state;
    env->SaveState(state);
    const auto row = state.at("sim").as<double>();
    StartState start;
    start.qpos.assign(row.begin() + 1, row.begin() + 1 + m->nq);
    EXPECT_EQ(Look(env->SetState(0, start)).next_frame, seen.back().frame);
  }
}

TEST(GymPictures, RunnersStayInThePicture) {
  for (const std::string id : {"gym/HalfCheetah-v5", "gym/Ant-v5", "gym/Hopper-v5",
                               "gym/Walker2d-v5", "gym/Humanoid-v5", "gym/Swimmer-v5"}) {
    SCOPED_TRACE(id);
    const auto env = MakeDrawn(id);
    env->Reset(1);
    StartState start = Rest(id);
    start.qpos[0] = 7;
    const auto before = Look(env->SetState(0, start)).next_frame;
    start.qpos[2] += .3;
    EXPECT_GE(Different(Look(env->SetState(0, start)).next_frame, before), 20);
  }
}

}  // namespace
}  // namespace v2r
