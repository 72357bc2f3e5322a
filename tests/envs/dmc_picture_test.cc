// Pictures of the dmc/ tasks show what the task is about.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/envs/dmc_model.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

constexpr int64_t kSize = 64;

EnvOptions Drawn(const std::string& id, int64_t num_envs) {
  EnvOptions options = Small(id, num_envs, /*render=*/true);
  options.frame_size = kSize;
  return options;
}

// Both envs in one state, each with its own value of a model array.
void ExpectArrayShows(const std::string& id, const std::string& field,
                      const std::vector<double>& one, const std::vector<double>& two) {
  SCOPED_TRACE(id);
  const auto env = MakeVectorEnv(Drawn(id, 2));
  env->Reset(1);
  const ModelPtr model = DmcModel(id);
  StartState start;
  start.qpos.assign(model->qpos0, model->qpos0 + model->nq);
  start.model[field] = one;
  env->SetState(0, start);
  start.model[field] = one;
  const Seen equal = Look(env->SetState(1, start));
  start.model[field] = two;
  const Seen differ = Look(env->SetState(1, start));
  const auto frame = [](const Seen& seen, int64_t i) {
    return RowOf(seen.next_frame, i, 3 * kSize * kSize);
  };
  EXPECT_EQ(frame(equal, 0), frame(equal, 1));
  EXPECT_EQ(frame(differ, 0), frame(equal, 0));
  EXPECT_GT(Rmse(frame(differ, 0), frame(differ, 1)), 3);
}

TEST(DmcPictures, TargetsOfTheEpisodeAreSeen) {
  {
    const ModelPtr m = DmcModel("dmc/reacher_easy");
    std::vector<double> one(m->geom_pos, m->geom_pos + 3 * m->ngeom), two = one;
    const int target = RequireId(m.get(), mjOBJ_GEOM, "target");
    one[3 * target] = .15;
    two[3 * target] = -.15;
    ExpectArrayShows("dmc/reacher_easy", "geom_pos", one, two);
  }
  {
    const ModelPtr m = DmcModel("dmc/finger_turn_easy");
    std::vector<double> one(m->site_pos, m->site_pos + 3 * m->nsite), two = one;
    const int target = RequireId(m.get(), mjOBJ_SITE, "target");
    one[3 * target] = .33;
    two[3 * target + 2] = .53;
    ExpectArrayShows("dmc/finger_turn_easy", "site_pos", one, two);
  }
}

// A string is drawn as many pieces, for which the scene needs room.
TEST(DmcPictures, StringReachesFromTheCupToTheBall) {
  EnvOptions options = Drawn("dmc/ball_in_cup_catch", 1);
  options.frame_size = 128;
  options.supersample = 4;  // the string is thin
  options.camera = "cam1";  // at height .4, looks along y from 1 m away, 45 degrees high
  const auto env = MakeVectorEnv(options);
  env->Reset(1);
  StartState start;
  start.qpos.assign(4, 0.0);  // the string's ends at heights .492 and .2
  const BatchView view = env->SetState(0, start);
  const auto row_of = [](double height) {
    return static_cast<int>(64 - (height - .4) / (2 * std::tan(std::numbers::pi / 8)) * 128);
  };
  for (int row = row_of(.49); row <= row_of(.2); ++row) {
    int brightest = 0;
    for (int column = 60; column < 68; ++column) {
      brightest = std::max<int>(brightest, view.frame[3 * (row * 128 + column)]);
    }
    EXPECT_GT(brightest, 60) << "row " << row;
  }
}

}  // namespace
}  // namespace v2r
