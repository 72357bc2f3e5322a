// Pictures that worker processes draw.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/envs/picture_drive.h"
#include "tests/envs/worker_drive.h"

namespace v2r {
namespace {

EnvOptions Drawn(const std::string& id, int64_t num_envs) {
  EnvOptions options = Small(id, num_envs, /*render=*/true);
  options.max_episode_steps = 5;
  return options;
}

TEST(WorkerPictures, EqualThoseOfOneProcessAlsoAfterAFault) {
  for (const char* id : {"v2r/reach_goal", "v2r/push"}) {
    EnvOptions options = Busy(Drawn(id, 5));
    if (id == std::string("v2r/reach_goal")) {
      options = Everything(options);
      options.cameras = {"angled"};
    }
    const Story alone = Tell(*MakeVectorEnv(options), 12);
    for (const bool same_host : {true, false}) {
      Starter starter;
      starter.same_host = same_host;
      RemoteVectorEnv env(WithWorkers(options, same_host ? 2 : 3), starter.Spawner());
      EXPECT_TRUE(SameStory(alone, Tell(env, 12))) << id;
      const Story story = Tell(env, 12, [&](int t) {
        if (t == 8) ::kill(starter.pids[1], SIGKILL);
      });
      EXPECT_TRUE(SameStory(alone, story)) << id << " with a fault";
      EXPECT_EQ(env.Timings().at("env/worker_restarts"), 1);
      EXPECT_GT(env.Timings().at("time/render"), 0);
    }
  }
}

void CompareWhereOnlySomeEpisodesEnd(const EnvOptions& options) {
  const auto alone = MakeVectorEnv(options);
  Starter starter;
  RemoteVectorEnv env(WithWorkers(options, 2), starter.Spawner());
  ASSERT_TRUE(Look(alone->Reset(1)) == Look(env.Reset(1)));
  StartState start;
  start.qpos = {0.5};
  Rng rng(2);
  int apart = 0;
  for (int t = 0; t < 22; ++t) {
    const auto actions = RandomActions(env.Spec(), rng);
    if (t == 17) ::kill(starter.pids[0], SIGKILL);
    const Seen seen = Look(alone->Step(actions));
    ASSERT_TRUE(seen == Look(env.Step(actions))) << t;
    apart += seen.frame != seen.next_frame;
    // Once between two ends, once right after one.
    if (t == 1 || t == 9) {
      const int64_t i = t == 1 ? 0 : 2;
      ASSERT_TRUE(Look(alone->SetState(i, start)) == Look(env.SetState(i, start))) << t;
    }
  }
  EXPECT_GT(apart, 5) << "the environments' episodes end at different steps";
}

TEST(WorkerPictures, EqualWhereOnlySomeEpisodesEnd) {
  CompareWhereOnlySomeEpisodesEnd(Drawn("dmc/pendulum_swingup", 4));
  CompareWhereOnlySomeEpisodesEnd(Everything(Drawn("dmc/pendulum_swingup", 4)));
}

TEST(WorkerPictures, GoalsAreThoseOfALoadedState) {
  const EnvOptions options = Everything(Drawn("v2r/reach_goal", 4));
  const auto alone = MakeVectorEnv(options);
  Starter starter;
  RemoteVectorEnv env(WithWorkers(options, 3), starter.Spawner());
  Roll(*alone, 1, 8);
  StateDict state;
  alone->SaveState(state);
  env.LoadState(state);
  Rng rng(2);
  for (int t = 0; t < 8; ++t) {
    const auto actions = RandomActions(env.Spec(), rng);
    ASSERT_TRUE(Look(alone->Step(actions)) == Look(env.Step(actions))) << t;
  }
}

}  // namespace
}  // namespace v2r
