#include "envs/counter_env.h"

#include <gtest/gtest.h>

#include "tests/envs/drive.h"

namespace v2r {
namespace {

TEST(CounterEnv, PicturesTellStepEnvAndEpisode) {
  const auto env = MakeCounterEnv(3, 4, 8);
  const int64_t bytes = 8 * 8 * 3;
  const auto seen = Roll(*env, 1, 9);
  for (int t = 1; t <= 9; ++t) {
    const int step = (t - 1) % 4 + 1, episode = (t - 1) / 4;
    for (int64_t i = 0; i < 3; ++i) {
      const auto next = RowOf(seen[t].next_frame, i, bytes), now = RowOf(seen[t].frame, i, bytes);
      EXPECT_EQ(next[0], step);
      EXPECT_EQ(next[1], i);
      EXPECT_EQ(next[bytes - 1], episode);
      EXPECT_EQ(now[0], step == 4 ? 0 : step);
      EXPECT_EQ(now[2], step == 4 ? episode + 1 : episode);
      EXPECT_EQ(seen[t].reward[i], step);
      EXPECT_EQ(seen[t].truncated[i], step == 4);
      EXPECT_EQ(seen[t].episode_id[i], episode);
      EXPECT_EQ(seen[t].episode_step[i], step);
    }
  }
}

TEST(CounterEnv, StateGoesOn) {
  const auto env = MakeCounterEnv(2, 5, 4), other = MakeCounterEnv(2, 5, 4);
  Roll(*env, 1, 7);
  StateDict state;
  env->SaveState(state);
  other->LoadState(state);
  const std::vector<float> actions(2, 0.f);
  for (int t = 0; t < 6; ++t) EXPECT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions)));
}

}  // namespace
}  // namespace v2r
