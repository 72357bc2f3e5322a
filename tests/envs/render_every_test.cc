// Pictures of some steps only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/envs/picture_drive.h"

namespace v2r {
namespace {

// All pictures of row i, of the present or the next state.
std::vector<std::vector<float>> Row(const Seen& s, int64_t i, bool next) {
  std::vector<std::vector<float>> row;
  const int64_t n = static_cast<int64_t>(s.terminated.size());
  const auto add = [&](const auto& values) {  // one camera each
    const auto own = RowOf(values, i, static_cast<int64_t>(values.size()) / n);
    row.emplace_back(own.begin(), own.end());
  };
  add(next ? s.next_frame : s.frame);
  add(next ? s.next_extra_frames : s.extra_frames);
  add(next ? s.next_depth : s.depth);
  add(next ? s.next_extra_depth : s.extra_depth);
  add(next ? s.next_segmentation : s.segmentation);
  add(next ? s.next_extra_segmentation : s.extra_segmentation);
  return row;
}

TEST(RenderEvery, EqualsEveryStepWhereDrawnAndStaysInBetween) {
  for (const char* id : {"gym/Hopper-v5", "v2r/reach_goal"}) {
    for (const char* autoreset : {"same_step", "next_step", "disabled"}) {
      EnvOptions some = Everything(Small(id, 3, true));
      some.autoreset = autoreset;
      some.max_episode_steps = 10;
      EnvOptions all = some;
      all.render_every = 1;
      const auto seen = Roll(*MakeVectorEnv(some), 1, 25), full = Roll(*MakeVectorEnv(all), 1, 25);
      std::vector<std::vector<std::vector<float>>> kept;
      for (int64_t i = 0; i < 3; ++i) kept.push_back(Row(full[0], i, false));
      ASSERT_TRUE(seen[0] == full[0]) << "a first state";
      int drawn = 0;
      for (size_t t = 1; t < seen.size(); ++t) {
        ASSERT_EQ(seen[t].obs, full[t].obs);
        ASSERT_EQ(seen[t].goal_frame, full[t].goal_frame);
        for (int64_t i = 0; i < 3; ++i) {
          const bool ended = full[t].Ended(i);
          const bool due = full[t].episode_step[i] % 3 == 0 || ended;
          drawn += due;
          if (due) kept[i] = Row(full[t], i, true);
          EXPECT_EQ(seen[t].frame_fresh[i], due) << id << " " << autoreset << " " << t;
          EXPECT_EQ(full[t].frame_fresh[i], 1);
          EXPECT_EQ(Row(seen[t], i, true), kept[i]) << id << " " << autoreset << " " << t;
          if (ended) kept[i] = Row(full[t], i, false);
          EXPECT_EQ(Row(seen[t], i, false), kept[i]) << id << " " << autoreset << " " << t;
        }
      }
      EXPECT_GT(drawn, 20);
      EXPECT_LT(drawn, 70);
    }
  }
}

TEST(RenderEvery, StateIsBitExact) {
  StartState start;
  start.qpos = {0.1, 0.05};
  for (const char* autoreset : {"same_step", "next_step", "disabled"}) {
    EnvOptions options = Everything(Small("gym/InvertedPendulum-v5", 3, true));
    options.autoreset = autoreset;
    options.max_episode_steps = 5;
    const auto env = MakeVectorEnv(options);
    env->Reset(4);
    Rng rng(5);
    // The episodes end at different steps from here on.
    env->Step(RandomActions(env->Spec(), rng));
    env->SetState(1, start);
    for (int t = 2; t < 9; ++t) {
      env->Step(RandomActions(env->Spec(), rng));
      const auto again = MakeVectorEnv(options);
      StateDict state;
      env->SaveState(state);
      again->LoadState(state);
      const auto actions = RandomActions(env->Spec(), rng);
      const Seen seen = Look(env->Step(actions));
      ASSERT_TRUE(seen == Look(again->Step(actions))) << autoreset << " " << t;
      ASSERT_TRUE(Look(env->SetState(0, start)) == Look(again->SetState(0, start))) << t;
    }
  }
}

TEST(RenderEvery, StatesOfOtherPicturesAreRefused) {
  EnvOptions options = Everything(Small("v2r/reach", 2, true)), other = options;
  const auto env = MakeVectorEnv(options);
  Roll(*env, 1, 4);
  StateDict state;
  env->SaveState(state);
  const auto refused = [&](const EnvOptions& o) -> std::string {
    try {
      MakeVectorEnv(o)->LoadState(state);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  other.modalities = {"depth"};
  EXPECT_THAT(refused(other), testing::HasSubstr("env.modalities"));
  other = options;
  other.views = {};
  EXPECT_THAT(refused(other), testing::HasSubstr("env.views"));
  other = options;
  other.render_every = 1;
  EXPECT_EQ(refused(other), "no error") << "draws the states at rest";
  state.erase("pictures");
  EXPECT_THAT(refused(options), testing::HasSubstr("env.render_every=1"));
}

}  // namespace
}  // namespace v2r
