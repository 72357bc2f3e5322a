// What a user's own model makes of the keys of env.task, and what it says when they are wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "envs/physics.h"
#include "tests/envs/drive.h"
#include "tests/error_of.h"

namespace v2r {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::unique_ptr<VectorEnv> User(const std::string& keys, int64_t num_envs = 2) {
  EnvOptions options = Small("mjcf", num_envs);
  options.task = UserTask(keys);
  return MakeVectorEnv(options);
}

std::unique_ptr<VectorEnv> OfModel(const std::filesystem::path& path) {
  EnvOptions options = Small("mjcf", 2);
  options.task = ParseYaml("model: " + path.string() + "\nframe_skip: 5", "test");
  return MakeVectorEnv(options);
}

std::string ErrorOfKeys(const std::string& keys) {
  return ErrorOf([&] { User(keys); });
}

// First observation of env 0 without noise.
std::vector<float> Start(const std::string& keys) {
  const auto env = User("frame_skip: 1\nqpos_noise: 0\nqvel_noise: 0\n" + keys);
  return RowOf(Look(env->Reset(1)).obs, 0, env->Spec().obs_dim);
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Mjcf, ObservesEverythingByDefaultAndWhatIsNamed) {
  const auto all = Start("keyframe: bent");
  ASSERT_EQ(all.size(), 9u + 8 + 4) << "qpos, qvel, sensors";
  EXPECT_FLOAT_EQ(all[1], 1.5f);
  EXPECT_NEAR(all[17], .15 + .15 * std::cos(1.5), 1e-6) << "x of the tip";
  EXPECT_NEAR(all[18], .15 * std::sin(1.5), 1e-6);
  EXPECT_EQ(Start("keyframe: bent\nqpos: [elbow]\nqvel: []\nsensors: [tip_position]"),
            (std::vector<float>{all[1], all[17], all[18], all[19]}));
  EXPECT_EQ(Start("qpos: [loose, shoulder]\nqvel: []\nsensors: []").size(), 8u);
  EXPECT_EQ(Start("qpos: []\nqvel: [loose]\nsensors: []").size(), 6u);
}

TEST(Mjcf, EpisodesStartFromTheKeyframe) {
  EXPECT_EQ(Start("keyframe: straight"), Start("keyframe: 1"));
  EXPECT_NE(Start("keyframe: straight"), Start("keyframe: bent"));
  EXPECT_EQ(Start("")[1], 0.f);
}

TEST(Mjcf, NoiseHasTheSizeItIsGiven) {
  constexpr int64_t kEnvs = 400;
  const auto env = User("frame_skip: 1\nqpos_noise: 0.3\nqvel_noise: 0.5", kEnvs);
  const Seen seen = Look(env->Reset(1));
  double largest = 0, squares = 0, norm = 0;
  for (int64_t i = 0; i < kEnvs; ++i) {
    const auto row = RowOf(seen.obs, i, env->Spec().obs_dim);
    largest = std::max<double>(largest, std::abs(row[0]));
    squares += row[9] * row[9] / kEnvs;
    for (int k = 5; k < 9; ++k) norm += row[k] * row[k] / kEnvs;
  }
  EXPECT_LE(largest, .3);
  EXPECT_GT(largest, .28);
  EXPECT_NEAR(std::sqrt(squares), .5, .1);
  EXPECT_NEAR(norm, 1, 1e-6) << "the quaternion of the free joint";
}

TEST(Mjcf, ActionsCoverTheControlRangeOrAreControls) {
  const auto scaled = User("frame_skip: 1"), raw = User("frame_skip: 1\nactions: raw");
  EXPECT_EQ(scaled->Spec().act_low, (std::vector<float>{-1, -1}));
  EXPECT_EQ(scaled->Spec().act_high, (std::vector<float>{1, 1}));
  EXPECT_EQ(raw->Spec().act_low, (std::vector<float>{-1, -1})) << "the first has no range";
  EXPECT_EQ(raw->Spec().act_high, (std::vector<float>{1, 3}));
  scaled->Reset(1);
  raw->Reset(1);
  const Seen a = Look(scaled->Step(std::vector<float>{.5f, 1, -.5f, 0}));
  const Seen b = Look(raw->Step(std::vector<float>{.5f, 3, -.5f, 1}));
  EXPECT_TRUE(a == b);
  EXPECT_NEAR(a.obs[20], .2 * 3, 1e-6) << "torque: gear times control, of the state after the step";
}

TEST(Mjcf, FrameSkipAndControlDtAreTheSameTwoWays) {
  const auto skip = User("frame_skip: 8"), seconds = User("control_dt: 0.04");
  EXPECT_DOUBLE_EQ(skip->Spec().control_dt, .04);
  EXPECT_TRUE(Roll(*skip, 1, 5) == Roll(*seconds, 1, 5));
  EXPECT_FALSE(Roll(*User("frame_skip: 4"), 1, 5) == Roll(*skip, 1, 5));
  EXPECT_EQ(skip->Spec().max_episode_steps, 1000);
}

TEST(Mjcf, SitesGiveDistanceRewardAndSuccess) {
  const std::string sites = "frame_skip: 2\nsuccess: {sites: [tip, target], distance: ";
  const auto strict = User(sites + "0.01}"), lenient = User(sites + "0.5}"),
             none = User("frame_skip: 2");
  std::vector<float> distance(2);
  Rng rng(1);
  strict->Reset(1);
  lenient->Reset(1);
  none->Reset(1);
  const auto actions = RandomActions(strict->Spec(), rng);
  const Seen a = Look(strict->Step(actions)), b = Look(lenient->Step(actions)),
             c = Look(none->Step(actions));
  strict->TrueDistance(distance);
  const int64_t width = strict->Spec().obs_dim;
  for (int i = 0; i < 2; ++i) {
    const float* tip = a.obs.data() + i * width + 17;
    EXPECT_NEAR(distance[i], std::hypot(tip[0] - .2, tip[1] - .1, tip[2] - .02), 1e-6);
    EXPECT_NEAR(a.env_reward[i], -distance[i], 1e-6);
  }
  EXPECT_THAT(a.success, testing::Each(0));
  EXPECT_THAT(b.success, testing::Each(1));
  EXPECT_THAT(c.success, testing::Each(0));
  EXPECT_THAT(c.env_reward, testing::Each(0.0));
  none->TrueDistance(distance);
  EXPECT_TRUE(std::isnan(distance[0]));
}

TEST(Mjcf, StartsFromAGivenState) {
  const auto env = User("frame_skip: 1");
  env->Reset(1);
  StartState start;
  start.qpos = {.1, .2, 0, 0, .03, 1, 0, 0, 0};
  EXPECT_FLOAT_EQ(Look(env->SetState(1, start)).obs[env->Spec().obs_dim + 1], .2f);
}

// The model and keys of docs/mjcf.md.
TEST(Mjcf, ModelOfTheWalkThrough) {
  EnvOptions options = Small("mjcf", 4);
  options.task = ParseYaml("model: " + WheelModel("dm_control/suite/finger.xml").string() +
                               "\ncontrol_dt: 0.02\nqpos: [proximal, distal]\nqvel: [proximal, "
                               "distal]\nqpos_noise: 0.5\nsuccess: {sites: [tip, target], "
                               "distance: 0.03}",
                           "test");
  const auto env = MakeVectorEnv(options);
  EXPECT_EQ(env->Spec().act_dim, 2);
  EXPECT_EQ(env->Spec().obs_dim, 26);
  const auto all = Roll(*env, 1, 20);
  EXPECT_THAT(all.back().env_reward, testing::Each(testing::Lt(0.0)));
  std::vector<float> distance(4);
  env->TrueDistance(distance);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(all.back().env_reward[i], -distance[i], 1e-6);
}

TEST(MjcfErrors, NamesThatTheModelLacksGetTheNearest) {
  const std::string skip = "frame_skip: 1\n";
  EXPECT_THAT(ErrorOfKeys(skip + "qpos: [elbo]"),
              AllOf(HasSubstr("env.task.qpos"), HasSubstr("joint 'elbo', did you mean 'elbow'"),
                    HasSubstr("shoulder, elbow, loose")));
  EXPECT_THAT(ErrorOfKeys(skip + "qvel: [shouder]"),
              AllOf(HasSubstr("env.task.qvel"), HasSubstr("did you mean 'shoulder'")));
  EXPECT_THAT(ErrorOfKeys(skip + "sensors: [torqe]"),
              AllOf(HasSubstr("env.task.sensors"), HasSubstr("did you mean 'torque'")));
  EXPECT_THAT(ErrorOfKeys(skip + "success: {sites: [tip, targt]}"),
              AllOf(HasSubstr("env.task.success.sites"), HasSubstr("did you mean 'target'")));
  EXPECT_THAT(ErrorOfKeys(skip + "keyframe: bend"),
              AllOf(HasSubstr("env.task.keyframe"), HasSubstr("did you mean 'bent'")));
  EXPECT_THAT(ErrorOfKeys(skip + "keyframe: 2"), HasSubstr("env.task.keyframe: 2"));
  EXPECT_THAT(ErrorOfKeys(skip + "qpos: [elbow, elbow]"), HasSubstr("twice"));
}

TEST(MjcfErrors, KeysThatContradict) {
  EXPECT_THAT(ErrorOfKeys(""), AllOf(HasSubstr("frame_skip"), HasSubstr("control_dt")));
  EXPECT_THAT(ErrorOfKeys("frame_skip: 8\ncontrol_dt: 0.04"), HasSubstr("one of frame_skip"));
  EXPECT_THAT(ErrorOfKeys("control_dt: 0.012"),
              AllOf(HasSubstr("no multiple"), HasSubstr("0.005"), HasSubstr("near: 0.01")));
  EXPECT_THAT(ErrorOfKeys("control_dt: 0.001"), HasSubstr("near: 0.005"));
  EXPECT_THAT(ErrorOfKeys("frame_skip: 1\nsuccess: {sites: [tip]}"), HasSubstr("between two"));
  EXPECT_THAT(ErrorOfKeys("frame_skip: 1\nqpos: []\nqvel: []\nsensors: []"),
              HasSubstr("nothing is observed"));
}

TEST(MjcfErrors, ModelThatDoesNotLoad) {
  EXPECT_THAT(ErrorOf([] {
                EnvOptions options = Small("mjcf", 1);
                options.task = ParseYaml("frame_skip: 1", "test");
                MakeVectorEnv(options);
              }),
              HasSubstr("env.task.model"));
  EXPECT_THAT(ErrorOf([] { OfModel("no/such/robot.xml"); }),
              AllOf(HasSubstr("env.task.model"), HasSubstr("'no/such/robot.xml'")));
  const auto broken = WriteModel(Replaced(kUserModel, "<light", "<lihgt"), "broken");
  EXPECT_THAT(ErrorOf([&] { OfModel(broken); }),
              AllOf(HasSubstr(broken.string()), HasSubstr("lihgt"), HasSubstr("line 4")));
  const auto mesh = WriteModel(
      Replaced(kUserModel, "<worldbody>", "<asset><mesh file=\"hand.stl\"/></asset><worldbody>"),
      "mesh");
  EXPECT_THAT(ErrorOf([&] { OfModel(mesh); }),
              AllOf(HasSubstr(mesh.string()), HasSubstr("hand.stl")));
  const auto still =
      WriteModel("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>", "still");
  EXPECT_THAT(ErrorOf([&] { OfModel(still); }), HasSubstr("no actuator"));
}

TEST(MjcfErrors, DivergenceNamesEnvAndStep) {
  // An explicit spring far too stiff for the timestep, which only an action wakes.
  const auto path = WriteModel(
      "<mujoco><option timestep='0.1' integrator='Euler'/><worldbody><body><joint name='j' "
      "type='slide' axis='1 0 0' stiffness='1e9'/><geom size='.1'/></body></worldbody>"
      "<actuator><motor joint='j'/></actuator></mujoco>",
      "unstable");
  EnvOptions options = Small("mjcf", 3);
  options.task = ParseYaml(
      "model: " + path.string() + "\nframe_skip: 1\nqpos_noise: 0\nqvel_noise: 0", "test");
  const auto env = MakeVectorEnv(options);
  env->Reset(1);
  env->Step(std::vector<float>{0, 0, 0});
  int64_t step = 1;
  const std::string error = ErrorOf([&] {
    for (; step < 200;) {
      ++step;
      env->Step(std::vector<float>{0, 1, 0});
    }
  });
  EXPECT_THAT(error, AllOf(HasSubstr("env 1"), HasSubstr(fmt::format("step {} of episode 0", step)),
                           HasSubstr("unstable")));
  EXPECT_NO_THROW(env->Reset(2)) << "usable again";
}

}  // namespace
}  // namespace v2r
