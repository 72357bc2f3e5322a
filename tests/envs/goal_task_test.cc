// What the v2r/ tasks promise one by one: starts, where success begins, experts over many seeds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "envs/env.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

// One entry of the observation in first states: drawn evenly from [low, high].
struct Start {
  int index;
  double low, high;
};
const std::map<std::string, std::vector<Start>>& Starts() {
  static const std::vector<Start> sweep = {{0, -1.1, 1.1}, {1, -2, -1.7}, {4, -1.05, -.85},
                                           {5, -.4, .2},   {10, -.4, .2}, {14, .85, 1.05}};
  static const std::map<std::string, std::vector<Start>> starts = {
      {"v2r/drawer", {{0, -1.9, 1.9}, {1, -2.1, -.6}, {4, 0, .3}}},
      {"v2r/button", {{0, -2, 2}, {1, -2.1, -.2}}},
      {"v2r/pick_place",
       {{0, -1.8, 1.8}, {1, -1, 1}, {2, 1.1, 1.7}, {12, 1.6, 2.6}, {13, -.3, 1.1}}},
      // Cosine of a shoulder at -1.15 rad +- 0.3, sines of an elbow at 0 +- 0.3 and a knee at 0.1
      // +- 0.2.
      {"v2r/pose",
       {{0, std::cos(1.45), std::cos(.85)},
        {9, -std::sin(.3), std::sin(.3)},
        {15, -std::sin(.1), std::sin(.3)}}},
      {"v2r/sweep_stick", sweep},
      {"v2r/sweep_paddle", sweep},
      {"v2r/sweep_fork", sweep},
  };
  return starts;
}
std::vector<std::string> GoalTasks() {
  std::vector<std::string> names;
  for (const auto& [name, starts] : Starts()) names.push_back(name);
  return names;
}

// Writes the actions [num_envs * act_dim] of a policy in the present state.
using Policy = std::function<void(VectorEnv&, Rng&, std::vector<float>&)>;
Policy Scripted(ExpertSkill skill) {
  return [skill](VectorEnv& env, Rng& rng, std::vector<float>& actions) {
    env.ExpertActions(skill, rng, actions);
  };
}
void Uniform(VectorEnv& env, Rng& rng, std::vector<float>& actions) {
  actions = RandomActions(env.Spec(), rng, 1);
}

// One episode of every simulation.
std::vector<Seen> Episode(VectorEnv& env, uint64_t seed, const Policy& policy) {
  std::vector<Seen> seen = {Look(env.Reset(seed))};
  Rng rng(seed + 1);
  std::vector<float> actions(env.Spec().num_envs * env.Spec().act_dim);
  for (int64_t t = 0; t < env.Spec().max_episode_steps; ++t) {
    policy(env, rng, actions);
    seen.push_back(Look(env.Step(actions)));
  }
  return seen;
}

template <typename T>
double Mean(const std::vector<T>& values) {
  double sum = 0;
  for (T value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

class GoalTask : public testing::TestWithParam<std::string> {};

TEST_P(GoalTask, ExpertSucceedsAndChanceDoesNot) {
  const auto env = MakeVectorEnv(Small(GetParam(), 100));
  for (uint64_t seed : {1, 2, 3}) {
    const auto good = Episode(*env, seed, Scripted(ExpertSkill::kGood));
    EXPECT_GE(Mean(good.back().success), .95) << seed;
    EXPECT_THAT(good[0].success, testing::Each(0)) << "nothing is done at the start";
    // The dense reward comes near its maximum, 0, from far below.
    EXPECT_LT(Mean(good[1].reward), -.5);
    EXPECT_GT(Mean(good.back().reward), -.1);
    EXPECT_LE(Mean(Episode(*env, seed, Uniform).back().success), .01) << seed;
    EXPECT_LE(Mean(Episode(*env, seed, Scripted(ExpertSkill::kRandom)).back().success), .05)
        << seed;
  }
  EXPECT_EQ(env->Timings().at("env/warnings"), 0) << "MuJoCo found a bad state";
}

TEST_P(GoalTask, SeedDecidesTheExpertsEpisode) {
  const auto env = MakeVectorEnv(Small(GetParam(), 3)), other = MakeVectorEnv(Small(GetParam(), 3));
  const auto seen = Episode(*env, 4, Scripted(ExpertSkill::kGood));
  EXPECT_TRUE(seen == Episode(*other, 4, Scripted(ExpertSkill::kGood)));
  EXPECT_FALSE(seen == Episode(*other, 5, Scripted(ExpertSkill::kGood)));
}

TEST_P(GoalTask, StartsFillTheirRanges) {
  constexpr int64_t kEnvs = 256;
  const auto env = MakeVectorEnv(Small(GetParam(), kEnvs));
  const Seen seen = Look(env->Reset(8));
  for (const Start& start : Starts().at(GetParam())) {
    double low = 1e9, high = -1e9;
    for (int64_t i = 0; i < kEnvs; ++i) {
      const double value = seen.obs[i * env->Spec().obs_dim + start.index];
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const double width = start.high - start.low;
    EXPECT_GE(low, start.low - 1e-5) << start.index;
    EXPECT_LT(low, start.low + .1 * width) << start.index;
    EXPECT_LE(high, start.high + 1e-5) << start.index;
    EXPECT_GT(high, start.high - .1 * width) << start.index;
  }
}

INSTANTIATE_TEST_SUITE_P(Own, GoalTask, testing::ValuesIn(GoalTasks()),
                         [](const auto& info) { return info.param.substr(4); });

// One simulation of a task, without the vector env: its state can be written to.
class Single {
 public:
  explicit Single(const std::string& id)
      : env_(EnvRegistry().Make(id, ConfigNode())),
        model_(LoadModel(env_->Spec().model)),
        data_(mj_makeData(model_.get())),
        obs_(env_->Spec().obs_dim) {
    env_->Bind(model_.get());
    Rng rng(1);
    env_->Reset(sim(), rng, Row());
  }
  void Set(const std::vector<double>& qpos) {
    ASSERT_EQ(static_cast<int>(qpos.size()), model_->nq);
    std::copy(qpos.begin(), qpos.end(), data_->qpos);
    std::fill_n(data_->qvel, model_->nv, 0);
  }
  // Whether the state after a step is a success.
  bool Step(const std::vector<float>& action) {
    success_ = 0;
    env_->Step(sim(), action, Row());
    return success_ != 0;
  }
  // The same from `qpos` at rest, doing nothing.
  bool Rest(const std::vector<double>& qpos) {
    Set(qpos);
    return Step(std::vector<float>(env_->Spec().act_low.size(), 0));
  }
  double Distance() { return env_->TrueDistance(sim()); }
  double qpos(int i) const { return data_->qpos[i]; }
  const mjModel& model() const { return *model_; }

 private:
  Sim sim() { return {model_.get(), data_.get()}; }
  EnvRow Row() { return {obs_, reward_, terminated_, truncated_, success_, {}}; }

  std::unique_ptr<Env> env_;
  ModelPtr model_;
  DataPtr data_;
  std::vector<float> obs_;
  double reward_ = 0;
  uint8_t terminated_ = 0, truncated_ = 0, success_ = 0;
};

TEST(Drawer, SuccessBeginsAtTwelveCentimetres) {
  Single drawer("v2r/drawer");
  EXPECT_FALSE(drawer.Rest({.119, .19, -.2}));
  EXPECT_NEAR(drawer.Distance(), .031, 1e-4);
  EXPECT_TRUE(drawer.Rest({.121, .19, -.2}));
  EXPECT_NEAR(drawer.Distance(), .029, 1e-4);
  EXPECT_TRUE(drawer.Rest({.17, .19, -.2})) << "wider open than asked for";
  EXPECT_EQ(drawer.Distance(), 0);
}

TEST(Drawer, OnlyFromBehindTheBar) {
  Single drawer("v2r/drawer");
  // Closed, the bar lies at y = 0.066 between x = -0.05 and 0.05.
  drawer.Set({0, 0, .03});
  for (int t = 0; t < 20; ++t) drawer.Step({0, -1});
  EXPECT_NEAR(drawer.Distance(), .15, 1e-3) << "the peg left downwards";
  drawer.Set({0, 0, .03});
  for (int t = 0; t < 20; ++t) drawer.Step({0, 1});
  EXPECT_NEAR(drawer.Distance(), .15, 2e-3) << "the peg pushes the bar up, the drawer is shut";
  drawer.Set({0, .02, .094});
  for (int t = 0; t < 20; ++t) drawer.Step({0, -1});
  EXPECT_LT(drawer.Distance(), .03) << "the peg pulls";
}

TEST(Button, SuccessIsFiveStepsInARowAtDepth) {
  Single button("v2r/button");
  // Steps of `count` after which success held, with the finger holding the button at `depth` where
  // its servo (30 * 0.33 N at action 1) and the spring (60 N/m) are in balance.
  const auto hold = [&](double depth, int count) {
    button.Set({depth, 0, .07 - .022 - .018 + depth});
    int down = 0, successes = 0;
    for (int t = 0; t < count; ++t) {
      const bool success = button.Step({0, static_cast<float>(60 * depth / (30 * .33))});
      down = button.qpos(0) > .034 ? down + 1 : 0;
      EXPECT_EQ(success, down >= 5) << "depth " << button.qpos(0) << " at step " << t;
      successes += success;
    }
    EXPECT_NEAR(button.qpos(0), depth, 1.5e-3);
    EXPECT_NEAR(button.Distance(), .04 - depth, 2e-3);
    return successes;
  };
  EXPECT_GE(hold(.036, 10), 5);
  EXPECT_FALSE(button.Step({0, -1})) << "let go";
  EXPECT_EQ(hold(.036, 4), 0) << "counted anew";
  EXPECT_FALSE(button.Step({0, -1}));
  EXPECT_EQ(hold(.032, 10), 0) << "not deep enough";
}

TEST(PickPlace, SuccessIsACubeThatStandsThereAlone) {
  Single task("v2r/pick_place");
  // Place: x = 0.11, y = 0.03, the cube's centre at z = 0.06; the cup touches its top 0.038 higher.
  const auto rest = [&](double away, double rise, double gap) {
    return task.Rest({.11 - away, .03, .098 + rise + gap, .11 - away, .03, .06 + rise});
  };
  EXPECT_TRUE(rest(0, 0, .03));
  EXPECT_LT(task.Distance(), 1e-3);
  EXPECT_TRUE(rest(.024, 0, .03));
  EXPECT_NEAR(task.Distance(), .024, 1e-3);
  EXPECT_FALSE(rest(.026, 0, .03)) << "too far from the middle";
  EXPECT_TRUE(rest(0, 0, .021));
  EXPECT_FALSE(rest(0, 0, .018)) << "the cup has not gone away";
  EXPECT_FALSE(rest(0, .03, .03)) << "in the air";
  EXPECT_FALSE(task.Rest({0, 0, .15, -.1, 0, .024})) << "on the floor";
}

TEST(PickPlace, CubeRisesWithSuctionOnly) {
  for (const bool suction : {false, true}) {
    Single task("v2r/pick_place");
    task.Set({-.1, 0, .062, -.1, 0, .024});
    for (int t = 0; t < 25; ++t) task.Step({0, 0, .2f, suction ? 1.f : -1.f});
    EXPECT_NEAR(task.qpos(2), .12, .02)
        << "the cup has risen, 1 s at 0.06 m/s less what a load costs";
    EXPECT_NEAR(task.qpos(5), suction ? task.qpos(2) - .038 : .024, 2e-3) << suction;
  }
}

TEST(Pose, SuccessIsTheWorstHandOrFoot) {
  const std::vector<double> goal = {.6, 1.1, -.6, -1.7, .95, 1.75, .05, 0};
  Single pose("v2r/pose");
  EXPECT_TRUE(pose.Rest(goal));
  EXPECT_LT(pose.Distance(), 1e-6);
  // Elbow and forearm of 8 and 7.5 cm bent by 1.1 rad: the hand is `reach` from the shoulder.
  const double reach = std::sqrt(.08 * .08 + .075 * .075 + 2 * .08 * .075 * std::cos(1.1));
  for (const double off : {.028, .032}) {
    auto angles = goal;
    angles[0] -= 2 * std::asin(off / (2 * reach));
    EXPECT_EQ(pose.Rest(angles), off < .03) << off;
    EXPECT_NEAR(pose.Distance(), off, 1e-5);
    angles = goal;
    angles[7] += 2 * std::asin(off / (2 * .085));  // the straight leg, from the knee
    EXPECT_EQ(pose.Rest(angles), off < .03) << off;
    EXPECT_NEAR(pose.Distance(), off, 1e-5);
  }
}

TEST(Sweep, SuccessIsTheLastCentreInTheZone) {
  for (const char* id : {"v2r/sweep_stick", "v2r/sweep_paddle", "v2r/sweep_fork"}) {
    Single sweep(id);
    EXPECT_TRUE(sweep.Rest({0, -.2, -.1, .121, 0, .2, .1, .121})) << id;
    EXPECT_EQ(sweep.Distance(), 0);
    EXPECT_FALSE(sweep.Rest({0, -.2, -.1, .121, 0, .2, .1, .119})) << id;
    EXPECT_NEAR(sweep.Distance(), .001, 1e-6) << id;
    EXPECT_FALSE(sweep.Rest({0, -.2, -.1, .121, 0, .02, .1, .121})) << id;
    EXPECT_NEAR(sweep.Distance(), .1, 1e-6) << id;
  }
}

TEST(Sweep, OneTaskForThreeTools) {
  std::vector<Seen> starts;
  std::vector<double> steps;  // until the first success, mean
  std::vector<double> width;  // m, of the tool
  for (const char* id : {"v2r/sweep_stick", "v2r/sweep_paddle", "v2r/sweep_fork"}) {
    const auto env = MakeVectorEnv(Small(id, 50));
    const auto seen = Episode(*env, 2, Scripted(ExpertSkill::kGood));
    starts.push_back(seen[0]);
    double sum = 0;
    for (const Seen& s : seen) sum += 1 - Mean(s.success);
    steps.push_back(sum);
    const Single single(id);
    width.push_back(single.model().geom_size[3 * RequireId(&single.model(), mjOBJ_GEOM, "tool")]);
  }
  EXPECT_EQ(starts[0].obs, starts[1].obs) << "equal seeds, equal starts";
  EXPECT_EQ(starts[0].obs, starts[2].obs);
  EXPECT_GT(width[0], 1.5 * width[1]);
  EXPECT_GT(width[1], 1.5 * width[2]);
  EXPECT_LT(steps[0] + 10, steps[1]) << "one go, two goes";
  EXPECT_LT(steps[1] + 10, steps[2]) << "two goes, three goes";
}

}  // namespace
}  // namespace v2r
