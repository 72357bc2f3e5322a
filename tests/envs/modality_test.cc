// Further cameras, depth and segmentation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <utility>

#include "core/error.h"
#include "envs/physics.h"
#include "tests/envs/counting_new.h"
#include "tests/envs/picture_drive.h"

namespace v2r {
namespace {

using testing::Each;
using testing::HasSubstr;

// A plane at z = 0, a ball of 0.2 m on top of 0.5 m, a small site beside it and cameras 1.5 m high.
constexpr const char* kBall = R"(<mujoco><visual><quality offsamples="4"/></visual><worldbody>
  <light pos="0 0 3"/>
  <camera name="down" pos="0 0 1.5"/>
  <camera name="plan" pos="0 0 1.5" projection="orthographic" fovy="1.6"/>
  <camera name="tilted" pos="0 -3 1.5" xyaxes="1 0 0 0 1 1" fovy="40"/>
  <camera name="up" pos="0 0 1.5" xyaxes="1 0 0 0 -1 0"/>
  <geom name="ground" type="plane" size="9 9 .1"/>
  <site name="mark" pos=".4 .4 .1" size=".06"/>
  <body pos="0 0 .3"><joint name="j" type="slide" axis="0 0 1"/><geom name="ball" size=".2"/></body>
  </worldbody><actuator><motor joint="j"/></actuator></mujoco>)";

EnvOptions Ball(const std::string& camera, int64_t num_envs = 1) {
  EnvOptions options = Small("mjcf", num_envs, true);
  static const auto path = WriteModel(kBall, "ball");
  options.task = ParseYaml("{model: " + path.string() + ", frame_skip: 1, qpos_noise: 0}", "test");
  options.camera = camera;
  options.modalities = {"depth", "segmentation"};
  return options;
}

TEST(Depth, IsTheDistanceAlongTheAxis) {
  const auto depth = [](const char* camera) {
    return Look(MakeVectorEnv(Ball(camera))->Reset(1)).depth;
  };
  for (const char* camera : {"down", "plan"}) {
    const auto seen = depth(camera);
    ASSERT_EQ(seen.size(), 32u * 32);
    EXPECT_NEAR(seen[16 * 32 + 16], 1.0, 1e-2) << camera << ": beside the top of a round ball";
    EXPECT_LT(seen[16 * 32 + 16], seen[16 * 32 + 14]) << camera;
    for (const int corner : {0, 31, 31 * 32, 31 * 32 + 31}) {
      EXPECT_NEAR(seen[corner], 1.5, 1e-3) << camera;
    }
  }
  // Down 45 degrees: a pixel v up from the centre (in units of the focal length) meets the ground
  // at 1.5 / (sin 45 - v cos 45) along the axis.
  const auto seen = depth("tilted");
  for (int y = 0; y < 32; ++y) {
    const double v = (1 - 2 * (y + .5) / 32) * std::tan(20 * M_PI / 180);
    EXPECT_NEAR(seen[y * 32], 1.5 / (std::sqrt(.5) * (1 - v)), 1e-3) << y;
  }
}

TEST(Depth, IsTheFarPlaneWhereNothingIs) {
  const auto env = MakeVectorEnv(Ball("up"));
  const ModelPtr model = LoadModel(WriteModel(kBall, "ball"));
  const Seen seen = Look(env->Reset(1));
  const double far = model->vis.map.zfar * model->stat.extent;
  EXPECT_THAT(seen.depth, Each(testing::FloatNear(static_cast<float>(far), 1e-3f)));
  EXPECT_THAT(seen.segmentation, Each(-1));
}

TEST(Segmentation, NamesGeomsAndSites) {
  const ModelPtr model = LoadModel(WriteModel(kBall, "ball"));
  const auto id = [&](mjtObj type, const char* name) {
    return mj_name2id(model.get(), type, name);
  };
  const Seen seen = Look(MakeVectorEnv(Ball("plan"))->Reset(1));
  const auto at = [&](int y, int x) {  // 5 cm a pixel, x to the right, y up
    const int32_t* pair = seen.segmentation.data() + (y * 32 + x) * 2;
    return std::pair(pair[0], pair[1]);
  };
  ASSERT_EQ(seen.segmentation.size(), 32u * 32 * 2);
  EXPECT_EQ(at(16, 16), std::pair(id(mjOBJ_GEOM, "ball"), int{mjOBJ_GEOM}));
  EXPECT_EQ(at(0, 0), std::pair(id(mjOBJ_GEOM, "ground"), int{mjOBJ_GEOM}));
  EXPECT_EQ(at(16 - 8, 16 + 8), std::pair(id(mjOBJ_SITE, "mark"), int{mjOBJ_SITE}));
  EXPECT_EQ(at(16 + 8, 16 + 8), std::pair(id(mjOBJ_GEOM, "ground"), int{mjOBJ_GEOM}));
}

TEST(Modalities, AreNotSmoothed) {
  const auto look = [](auto change) {
    EnvOptions options = Ball("tilted");
    change(options);
    return Look(MakeVectorEnv(options)->Reset(1));
  };
  const Seen plain = look([](EnvOptions&) {});
  for (const Seen& seen :
       {look([](EnvOptions& o) { o.samples = 4; }), look([](EnvOptions& o) { o.supersample = 2; }),
        look([](EnvOptions& o) { o.shadow = true; })}) {
    EXPECT_NE(seen.frame, plain.frame);
    EXPECT_EQ(seen.depth, plain.depth);
    EXPECT_EQ(seen.segmentation, plain.segmentation);
  }
  EnvOptions one = Ball("tilted");
  one.modalities = {"segmentation"};
  const Seen seen = Look(MakeVectorEnv(one)->Reset(1));
  EXPECT_TRUE(seen.depth.empty());
  EXPECT_EQ(seen.segmentation, plain.segmentation);
  EXPECT_EQ(seen.frame, plain.frame);
}

// Camera c of the other pictures of `all`, as a batch of their own.
template <typename T>
std::vector<T> OfCamera(const std::vector<T>& all, int64_t c, int64_t cameras) {
  return RowOf(all, c, static_cast<int64_t>(all.size()) / cameras);
}

TEST(Cameras, EachShowsWhatAnEnvOfItsOwnShows) {
  const std::map<std::string, std::string> cameras = {
      {"v2r/reach_goal", "angled"}, {"dmc/reacher_easy", "fixed"}, {"gym/HalfCheetah-v5", "track"}};
  for (const auto& [id, camera] : cameras) {
    EnvOptions all = Small(id, 3, true), main = all;
    all.max_episode_steps = main.max_episode_steps = 3;
    all.modalities = main.modalities = {"segmentation", "depth"};
    all.samples = main.samples = id.starts_with("v2r/") ? 4 : 0;
    EnvOptions named = main, free = main;
    named.camera = camera;
    free.view.type = "free";
    free.view.distance = 2;
    free.view.azimuth = 20;
    all.cameras = {camera};
    all.views = ParseYaml("side: {type: free, distance: 2, azimuth: 20}", "test");
    const auto env = MakeVectorEnv(all);
    EXPECT_THAT(env->Spec().extra_cameras, testing::ElementsAre(camera, "side"));
    const auto seen = Roll(*env, 1, 4), first = Roll(*MakeVectorEnv(main), 1, 4);
    const std::vector<std::vector<Seen>> own = {Roll(*MakeVectorEnv(named), 1, 4),
                                                Roll(*MakeVectorEnv(free), 1, 4)};
    for (int t = 0; t <= 4; ++t) {
      const Seen& s = seen[t];
      EXPECT_EQ(s.frame, first[t].frame) << id;
      EXPECT_EQ(s.next_depth, first[t].next_depth);
      EXPECT_EQ(s.segmentation, first[t].segmentation);
      EXPECT_EQ(s.goal_frame, first[t].goal_frame);
      for (int c = 0; c < 2; ++c) {
        const Seen& alone = own[c][t];
        EXPECT_EQ(OfCamera(s.extra_frames, c, 2), alone.frame) << id << " " << t << " " << c;
        EXPECT_EQ(OfCamera(s.next_extra_frames, c, 2), alone.next_frame);
        EXPECT_EQ(OfCamera(s.extra_depth, c, 2), alone.depth);
        EXPECT_EQ(OfCamera(s.next_extra_depth, c, 2), alone.next_depth);
        EXPECT_EQ(OfCamera(s.extra_segmentation, c, 2), alone.segmentation);
        EXPECT_EQ(OfCamera(s.next_extra_segmentation, c, 2), alone.next_segmentation);
      }
    }
    EXPECT_NE(seen[3].extra_frames, seen[3].next_extra_frames) << "a reset";
    EXPECT_NE(seen[3].depth, seen[3].next_depth);
  }
}

TEST(Cameras, NothingMoreIsDrawnWithoutThem) {
  const auto empty = [](const Seen& s) {
    return s.extra_frames.empty() && s.next_extra_frames.empty() && s.depth.empty() &&
           s.extra_depth.empty() && s.segmentation.empty() && s.extra_segmentation.empty();
  };
  const Seen plain = Look(MakeVectorEnv(Small("v2r/reach", 2, true))->Reset(1));
  EXPECT_TRUE(empty(plain));
  EXPECT_THAT(plain.frame_fresh, testing::ElementsAre(1, 1));
  EnvOptions blind = Everything(Small("v2r/reach", 2));
  const auto env = MakeVectorEnv(blind);
  const Seen seen = Look(env->Reset(1));
  EXPECT_TRUE(empty(seen) && seen.frame.empty() && seen.frame_fresh.empty());
  EXPECT_TRUE(env->Spec().extra_cameras.empty());
  blind.render = true;
  EXPECT_FALSE(empty(Look(MakeVectorEnv(blind)->Reset(1))));
  EXPECT_TRUE(empty(Look(MakeVectorEnv(MainPictures(blind))->Reset(1))));
}

TEST(Cameras, ThreadsDoNotMatter) {
  EnvOptions one = Everything(Small("v2r/reach_goal", 5, true));
  one.max_episode_steps = 5;
  EnvOptions three = one;
  one.render_threads = 1;
  three.render_threads = 3;
  EXPECT_TRUE(Roll(*MakeVectorEnv(one), 1, 12) == Roll(*MakeVectorEnv(three), 1, 12));
}

TEST(Cameras, MistakesAreNamed) {
  const auto error = [](auto change) -> std::string {
    EnvOptions options = Small("v2r/reach", 1, true);
    change(options);
    try {
      MakeVectorEnv(options);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  const auto views = [&](const char* text) {
    return error([&](EnvOptions& o) { o.views = ParseYaml(text, "test"); });
  };
  const auto cameras = [&](std::vector<std::string> names) {
    return error([&](EnvOptions& o) { o.cameras = names; });
  };
  const auto modalities = [&](std::vector<std::string> names) {
    return error([&](EnvOptions& o) { o.modalities = names; });
  };
  EXPECT_THAT(cameras({"angeld"}), testing::AllOf(HasSubstr("env.cameras"), HasSubstr("'angled'")));
  EXPECT_THAT(cameras({"angled", "angled"}), HasSubstr("'angled' is there twice"));
  EXPECT_THAT(cameras({""}), HasSubstr("env.cameras"));
  EXPECT_THAT(views("side: {azimuth: 3}"), HasSubstr("env.views.side.type"));
  EXPECT_THAT(views("side: {type: free, azimut: 3}"), HasSubstr("'azimuth'"));
  EXPECT_THAT(views("side: {type: track, track_body: palm}"),
              HasSubstr("env.views.side.track_body: the model has no body 'palm'"));
  EXPECT_THAT(views("side: {type: free, lookat: [1, 2]}"), HasSubstr("env.views.side.lookat"));
  EXPECT_THAT(modalities({"dept"}), HasSubstr("did you mean 'depth'"));
  EXPECT_THAT(modalities({"depth", "depth"}), HasSubstr("'depth' is there twice"));
}

TEST(Cameras, SteppingAllocatesNothing) {
  EnvOptions options = Everything(Small("v2r/reach_goal", 4, true));
  options.max_episode_steps = 5;
  const auto env = MakeVectorEnv(options);
  Rng rng(1);
  const auto actions = RandomActions(env->Spec(), rng);
  env->Reset(1);
  for (int t = 0; t < 20; ++t) env->Step(actions);
  const long before = AllocationCount();
  for (int t = 0; t < 20; ++t) env->Step(actions);
  EXPECT_EQ(AllocationCount() - before, 0);
}

}  // namespace
}  // namespace v2r
