// Pictures of every registered environment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

class EnvPictures : public testing::TestWithParam<std::string> {
 protected:
  EnvOptions Drawn(int64_t num_envs = 3) const {
    return Small(GetParam(), num_envs, /*render=*/true);
  }
  static int64_t Bytes(const VectorEnv& env) { return env.Spec().height * env.Spec().width * 3; }
};

TEST_P(EnvPictures, ThreadsDoNotMatter) {
  EnvOptions one = Busy(Drawn(5)), two = one;
  one.render_threads = one.env_threads = 1;
  one.max_episode_steps = two.max_episode_steps = 6;
  EXPECT_TRUE(Roll(*MakeVectorEnv(one), 1, 14) == Roll(*MakeVectorEnv(two), 1, 14));
}

TEST_P(EnvPictures, DrawingDoesNotDisturbTheSimulation) {
  EnvOptions drawn = Drawn(), blind = Small(GetParam(), 3);
  drawn.max_episode_steps = blind.max_episode_steps = 6;
  const auto with = Roll(*MakeVectorEnv(drawn), 1, 14),
             without = Roll(*MakeVectorEnv(blind), 1, 14);
  for (size_t t = 0; t < with.size(); ++t) {
    ASSERT_EQ(with[t].obs, without[t].obs) << t;
    ASSERT_EQ(with[t].env_reward, without[t].env_reward) << t;
    ASSERT_EQ(with[t].info, without[t].info) << t;
    ASSERT_TRUE(without[t].frame.empty());
  }
}

TEST_P(EnvPictures, SceneIsVisibleAndMoves) {
  const auto env = MakeVectorEnv(Drawn());
  const int64_t bytes = Bytes(*env);
  const auto seen = Roll(*env, 1, 10);
  ASSERT_EQ(static_cast<int64_t>(seen[0].frame.size()), 3 * bytes);
  const auto [low, high] = std::minmax_element(seen[0].frame.begin(), seen[0].frame.end());
  EXPECT_GT(*high - *low, 80) << "an empty picture";
  if (IsOwn(GetParam())) {
    EXPECT_GT(Rmse(seen[0].frame, seen[10].frame), 2);
  } else {
    EXPECT_NE(seen[0].frame, seen[10].frame);
  }
  for (const Seen& s : seen) {
    for (int64_t i = 0; i < 3; ++i) {
      if (!s.terminated.empty() && s.Ended(i)) continue;
      EXPECT_EQ(RowOf(s.frame, i, bytes), RowOf(s.next_frame, i, bytes));
    }
  }
}

TEST_P(EnvPictures, NextFrameComesBeforeTheReset) {
  constexpr double kCalm = 0.3;  // of the actions' reach: no episode ends by itself so soon
  EnvOptions cut = Drawn(), uncut = Drawn();
  cut.max_episode_steps = 5;
  uncut.max_episode_steps = 50;
  const auto seen = Roll(*MakeVectorEnv(cut), 1, 5, kCalm),
             through = Roll(*MakeVectorEnv(uncut), 1, 5, kCalm);
  for (const Seen& s : through) ASSERT_THAT(s.terminated, testing::Each(0));
  EXPECT_EQ(seen[5].next_frame, through[5].next_frame);
  EXPECT_NE(seen[5].frame, seen[5].next_frame);
  cut.max_episode_steps = 3;
  const auto other = Roll(*MakeVectorEnv(cut), 1, 3, kCalm);
  EXPECT_EQ(seen[5].frame, other[3].frame) << "the first picture of episode 1";
}

TEST_P(EnvPictures, FramesOfEnvsThatGoOnStay) {
  // Env 0 restarts alone: state of a fresh env with one more step taken by the others is not to be
  // had, so save, shift, load.
  EnvOptions options = Drawn(2);
  options.frame_size = 128;  // at 32 pixels a point mass can fall between the samples
  options.max_episode_steps = 4;
  const auto env = MakeVectorEnv(options);
  Roll(*env, 1, 2, 0.3);
  StateDict state;
  env->SaveState(state);
  auto steps = Copy(state["steps"].as<int64_t>());
  steps[0] = 3;
  state["steps"] = Blob::Of<int64_t>(steps);
  env->LoadState(state);
  Rng rng(7);
  const Seen seen = Look(env->Step(RandomActions(env->Spec(), rng, 0.3)));
  ASSERT_EQ(seen.truncated, (std::vector<uint8_t>{1, 0}));
  const int64_t bytes = Bytes(*env);
  EXPECT_NE(RowOf(seen.frame, 0, bytes), RowOf(seen.next_frame, 0, bytes));
  EXPECT_EQ(RowOf(seen.frame, 1, bytes), RowOf(seen.next_frame, 1, bytes));
}

TEST_P(EnvPictures, StateIsBitExact) {
  EnvOptions options = Busy(Drawn());
  options.max_episode_steps = 5;
  for (const char* autoreset : {"same_step", "next_step", "disabled"}) {
    options.autoreset = autoreset;
    const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
    Roll(*env, 4, 5);
    StateDict state;
    env->SaveState(state);
    other->LoadState(state);
    Rng rng(1);
    for (int t = 0; t < 8; ++t) {
      const auto actions = RandomActions(env->Spec(), rng);
      ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << autoreset << " " << t;
    }
  }
}

TEST_P(EnvPictures, GoalFrameShowsWhereTheExpertEnds) {
  const auto env = MakeVectorEnv(Drawn(8));
  const Seen start = Look(env->Reset(3));
  if (!env->Spec().has_goal_frame) {
    EXPECT_TRUE(start.goal_frame.empty());
    return;
  }
  Rng rng(1);
  std::vector<float> actions(8 * env->Spec().act_dim);
  Seen seen;
  for (int64_t t = 0; t < env->Spec().max_episode_steps; ++t) {
    env->ExpertActions(ExpertSkill::kGood, rng, actions);
    seen = Look(env->Step(actions));
    ASSERT_EQ(seen.goal_frame, start.goal_frame) << "one goal an episode, up to its last step";
    ASSERT_EQ(seen.goal_id, start.goal_id);
  }
  const int64_t bytes = Bytes(*env);
  for (int i = 0; i < 8; ++i) {
    const auto goal = RowOf(seen.goal_frame, i, bytes);
    EXPECT_LT(Rmse(RowOf(seen.next_frame, i, bytes), goal),
              .5 * Rmse(RowOf(start.frame, i, bytes), goal))
        << i;
  }
  const Seen next = Look(env->Step(actions));
  EXPECT_NE(next.goal_frame, seen.goal_frame);
  for (int i = 0; i < 8; ++i) EXPECT_NE(next.goal_id[i], seen.goal_id[i]);
}

TEST_P(EnvPictures, DistractorsChangeThePictureOnly) {
  if (GetParam().starts_with("dmc/") || GetParam().starts_with("gym/")) return;  // slow to load
  EnvOptions plain = Drawn(), busy = Busy(Drawn());
  plain.max_episode_steps = busy.max_episode_steps = 3;
  const auto a = Roll(*MakeVectorEnv(plain), 1, 5), b = Roll(*MakeVectorEnv(busy), 1, 5);
  for (int t = 0; t <= 5; ++t) {
    ASSERT_EQ(a[t].obs, b[t].obs);
    ASSERT_EQ(a[t].env_reward, b[t].env_reward);
    ASSERT_EQ(a[t].info, b[t].info);
    ASSERT_EQ(a[t].success, b[t].success);
    EXPECT_GT(Rmse(a[t].frame, b[t].frame), 5);
  }
}

// Fewer faces than MuJoCo gives round shapes are not to be told from a small movement. Of our
// tasks: some others hardly move from picture to picture.
TEST(OwnPictures, CoarseShapesKeepTheMeaning) {
  for (const std::string& id : EnvNames()) {
    if (!IsOwn(id)) continue;
    EnvOptions coarse = Small(id, 8, /*render=*/true);
    coarse.frame_size = 64;
    EnvOptions fine = coarse;
    fine.detail_size = 1024;
    const auto a = Roll(*MakeVectorEnv(coarse), 1, 6), b = Roll(*MakeVectorEnv(fine), 1, 6);
    double off = 0, next = 0;
    for (int t = 1; t <= 6; ++t) {
      off += Rmse(a[t].frame, b[t].frame);
      next += Rmse(b[t].frame, b[t - 1].frame);
    }
    EXPECT_GT(off, 0) << id << ": env.detail_size changes nothing";
    EXPECT_LT(off, .5 * next) << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EnvPictures, testing::ValuesIn(EnvNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(Pictures, UnknownCameraListsThoseThereAre) {
  EnvOptions options = Small("v2r/reach", 1, true);
  options.camera = "tip";
  try {
    MakeVectorEnv(options);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("'tip'"), testing::HasSubstr("top, angled")));
  }
}

TEST(Pictures, CameraAntialiasingAndSizeAreHeard) {
  const auto frame = [](auto change) {
    EnvOptions options = Small("v2r/reach", 1, true);
    change(options);
    return Look(MakeVectorEnv(options)->Reset(1)).frame;
  };
  const auto plain = frame([](EnvOptions&) {});
  EXPECT_NE(plain, frame([](EnvOptions& o) { o.camera = "angled"; }));
  EXPECT_EQ(frame([](EnvOptions& o) { o.frame_size = 48; }).size(), 48u * 48 * 3);
  // Smoother pictures are nearer to the finest one.
  const auto fine = frame([](EnvOptions& o) { o.supersample = 4; });
  EXPECT_LT(Rmse(frame([](EnvOptions& o) { o.supersample = 2; }), fine), .7 * Rmse(plain, fine));
  EXPECT_LT(Rmse(frame([](EnvOptions& o) { o.supersample = 3; }), fine), .7 * Rmse(plain, fine));
  EXPECT_LT(Rmse(frame([](EnvOptions& o) { o.samples = 4; }), fine), .7 * Rmse(plain, fine));
}

std::vector<uint8_t> UserPicture(const std::function<void(EnvOptions&)>& change) {
  EnvOptions options = Small("mjcf", 1, true);
  options.task = UserTask("frame_skip: 4\nqpos_noise: 0\nqvel_noise: 0\nkeyframe: straight");
  change(options);
  return Look(MakeVectorEnv(options)->Reset(1)).frame;
}

TEST(Pictures, FreeViewIsTheCameraItDescribes) {
  // The model's camera `above`: 1 m high, looking down, x to the right.
  const auto above = UserPicture([](EnvOptions&) {});
  EXPECT_EQ(above, UserPicture([](EnvOptions& o) { o.camera = "above"; })) << "the first";
  const auto same = [](EnvOptions& o) {
    o.view.type = "free";
    o.view.distance = 1;
    o.view.azimuth = 90;
    o.view.elevation = -90;
    o.view.lookat = {0, 0, 0};
  };
  const auto free = UserPicture(same);
  EXPECT_LT(Rmse(above, free), 3);
  EXPECT_GT(Rmse(free, UserPicture([&](EnvOptions& o) {
                   same(o);
                   o.view.distance = .6;
                 })),
            5);
  EXPECT_GT(Rmse(free, UserPicture([&](EnvOptions& o) {
                   same(o);
                   o.view.azimuth = 30;
                 })),
            5);
  EXPECT_GT(Rmse(free, UserPicture([&](EnvOptions& o) {
                   same(o);
                   o.view.elevation = -50;
                 })),
            5);
  EXPECT_GT(Rmse(free, UserPicture([&](EnvOptions& o) {
                   same(o);
                   o.view.lookat = {.1, 0, 0};
                 })),
            5);
}

TEST(Pictures, TrackingViewFollowsTheBody) {
  const auto disc = [](EnvOptions& o) {
    o.view.type = "track";
    o.view.distance = .15;
    o.view.elevation = -90;
    o.view.track_body = "disc";
  };
  const auto near = UserPicture(disc);
  const uint8_t* middle = near.data() + (16 * 32 + 16) * 3;
  EXPECT_GT(middle[0], 2 * middle[2]) << "the disc is red";
  EXPECT_NE(near, UserPicture([&](EnvOptions& o) {
              disc(o);
              o.view.track_body = "upper";
            }));
}

TEST(Pictures, ShadowsAndReflectionsAreHeard) {
  const auto plain = UserPicture([](EnvOptions&) {});
  EXPECT_NE(plain, UserPicture([](EnvOptions& o) { o.shadow = true; }));
  const auto mirror = [](bool on) {
    EnvOptions options = Small("mjcf", 1, true);
    options.task = ParseYaml("{model: " + MirrorModel().string() + ", frame_skip: 1}", "test");
    options.reflection = on;
    return Look(MakeVectorEnv(options)->Reset(1)).frame;
  };
  EXPECT_GT(Rmse(mirror(false), mirror(true)), 1);
}

TEST(Pictures, ViewsThatContradictAreRefused) {
  const auto error = [](auto change) -> std::string {
    EnvOptions options = Small("mjcf", 1, true);
    change(options.view, options);
    try {
      MakeVectorEnv(options);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  using testing::HasSubstr;
  EXPECT_THAT(error([](auto& v, auto&) { v.distance = 1; }), HasSubstr("env.view.distance"));
  EXPECT_THAT(error([](auto& v, auto&) { v.type = "track"; }), HasSubstr("env.view.track_body"));
  EXPECT_THAT(error([](auto& v, auto&) {
                v.type = "track";
                v.track_body = "dics";
              }),
              HasSubstr("did you mean 'disc'"));
  EXPECT_THAT(error([](auto& v, auto&) {
                v.type = "free";
                v.lookat = {1, 2};
              }),
              HasSubstr("env.view.lookat"));
  EXPECT_THAT(error([](auto& v, auto& o) {
                v.type = "free";
                o.camera = "above";
              }),
              HasSubstr("two cameras"));
  EXPECT_THAT(error([](auto&, auto& o) { o.camera = "abov"; }), HasSubstr("did you mean 'above'"));
}

TEST(Pictures, FirstRowIsOnTop) {
  // v2r/push: the target lies in the upper half, the pusher starts at the lower edge.
  const auto env = MakeVectorEnv(Small("v2r/push", 1, true));
  const auto frame = Look(env->Reset(1)).frame;
  const auto red = [&](int y, int x) {
    const uint8_t* p = frame.data() + (y * 32 + x) * 3;
    return p[0] > 150 && p[1] < 100;
  };
  EXPECT_TRUE(red(16 - 7, 16)) << "0.12 m up, 16 mm a pixel";
  EXPECT_FALSE(red(16 + 7, 16));
}

}  // namespace
}  // namespace v2r
