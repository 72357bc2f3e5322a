// The keys of the metaworld/ tasks, their starts and experts; that the defaults are Meta-World's is
// shown by metaworld_golden_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "tests/envs/drive.h"
#include "tests/error_of.h"

namespace v2r {
namespace {

const char* const kTasks[] = {"metaworld/button-press-topdown", "metaworld/door-close",
                              "metaworld/drawer-open", "metaworld/reach"};

EnvOptions With(const std::string& id, const std::string& task, int64_t num_envs = 2) {
  EnvOptions options = Small(id, num_envs);
  options.task = ParseYaml(task.empty() ? "{}" : task, "test");
  return options;
}

std::vector<float> GoalOf(const std::vector<float>& obs, int64_t i) {
  const auto row = RowOf(obs, i, 39);
  return {row.begin() + 36, row.end()};
}

TEST(MetaworldTask, GoalIsHiddenOrSeen) {
  for (const std::string id : kTasks) {
    SCOPED_TRACE(id);
    const auto hidden = Roll(*MakeVectorEnv(With(id, "")), 3, 2),
               seen = Roll(*MakeVectorEnv(With(id, "partially_observable: false")), 3, 2);
    for (size_t t = 0; t < seen.size(); ++t) {
      EXPECT_THAT(GoalOf(hidden[t].obs, 0), testing::Each(0.f));
      EXPECT_GT(GoalOf(seen[t].obs, 0)[1], .5f);  // y
      EXPECT_EQ(hidden[t].env_reward, seen[t].env_reward) << "the simulation is the same";
    }
  }
}

TEST(MetaworldTask, RandVecIsTheSameInEveryEpisode) {
  const auto env = MakeVectorEnv(With("metaworld/reach",
                                      "{rand_vec: [0.05, 0.65, 0.02, -0.03, 0.82, 0.25], "
                                      "partially_observable: false}"));
  for (const uint64_t seed : {1, 2}) {
    const auto obs = Look(env->Reset(seed)).obs;
    EXPECT_EQ(GoalOf(obs, 0), (std::vector<float>{-0.03f, 0.82f, 0.25f}));
    EXPECT_FLOAT_EQ(obs[4], 0.05f);  // puck
    EXPECT_FLOAT_EQ(obs[5], 0.65f);
  }
}

TEST(MetaworldTask, WrongKeysSayWhatIsWrong) {
  const auto error = [](const std::string& id, const std::string& task) {
    return ErrorOf([&] { MakeVectorEnv(With(id, task)); });
  };
  using testing::AllOf;
  using testing::HasSubstr;
  EXPECT_THAT(error("metaworld/reach", "rand_vec: [0, 0.85, 0.115]"),
              AllOf(HasSubstr("env.task.rand_vec"), HasSubstr("3"), HasSubstr("6")));
  EXPECT_THAT(error("metaworld/door-close", "rand_vec: [0]"), HasSubstr("env.task.rand_vec"));
  EXPECT_THAT(error("metaworld/door-close", "rand_vec: [0, .nan, 0.15]"),
              HasSubstr("env.task.rand_vec"));
  EXPECT_THAT(error("metaworld/reach", "rand_vec: [0, 0.7, 0.02, 0, 0.8, 0.1]"),
              AllOf(HasSubstr("env.task.rand_vec"), HasSubstr("15 cm")));
  EXPECT_THAT(error("metaworld/reach", "reward_function_version: v3"),
              AllOf(HasSubstr("env.task.reward_function_version"), HasSubstr("v2")));
  EXPECT_THAT(error("metaworld/reach", "rand_vek: []"), HasSubstr("rand_vec"));
  EXPECT_THAT(error("metaworld/door-clos", ""), HasSubstr("metaworld/door-close"));
}

TEST(MetaworldTask, MissingModelNamesTheBootstrapStep) {
  const char* before = std::getenv("V2R_DEPS_DIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("V2R_DEPS_DIR", testing::TempDir().c_str(), 1);
  const std::string said = ErrorOf([] { MakeVectorEnv(Small("metaworld/reach")); });
  before == nullptr ? unsetenv("V2R_DEPS_DIR") : setenv("V2R_DEPS_DIR", kept.c_str(), 1);
  EXPECT_THAT(said, testing::AllOf(testing::HasSubstr("sawyer_xyz/sawyer_reach_v3.xml"),
                                   testing::HasSubstr("scripts/bootstrap")));
}

// Where goals and pucks lie at the start of 48 episodes, [low, high] by coordinate.
struct Span {
  double low = 1e9, high = -1e9;
  void Add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

TEST(MetaworldStart, IsUniformInItsBox) {
  struct Wanted {
    const char* id;
    double low[3], high[3];  // of the goal
  };
  const Wanted tasks[] = {
      {"metaworld/reach", {-.1, .8, .05}, {.1, .9, .3}},
      {"metaworld/drawer-open", {-.1, .54, .09}, {.1, .54, .09}},
      {"metaworld/door-close", {.2, .65, .15}, {.3, .75, .15}},
      {"metaworld/button-press-topdown", {-.1, .8, .215}, {.1, .9, .215}},
  };
  constexpr int64_t kStarts = 48;
  for (const Wanted& task : tasks) {
    SCOPED_TRACE(task.id);
    const auto env = MakeVectorEnv(With(task.id, "partially_observable: false", kStarts));
    const auto obs = Look(env->Reset(4)).obs;
    Span goal[3];
    double nearest = 1;
    for (int64_t i = 0; i < kStarts; ++i) {
      const auto row = RowOf(obs, i, 39);
      for (int k = 0; k < 3; ++k) goal[k].Add(row[36 + k]);
      nearest = std::min(nearest, std::hypot(row[4] - row[36], row[5] - row[37]) + 0.);
      EXPECT_EQ(std::vector<float>(row.begin(), row.begin() + 18),
                std::vector<float>(row.begin() + 18, row.begin() + 36))
          << "there is no step before";
    }
    for (int k = 0; k < 3; ++k) {
      const double width = task.high[k] - task.low[k];
      EXPECT_GE(goal[k].low, task.low[k] - 2e-4);  // the button's hole leans a little
      EXPECT_LE(goal[k].high, task.high[k] + 2e-4);
      EXPECT_LE(goal[k].low, task.low[k] + .2 * width + 2e-4) << k;
      EXPECT_GE(goal[k].high, task.high[k] - .2 * width - 2e-4) << k;
    }
    if (task.id == std::string("metaworld/reach")) {
      EXPECT_GE(nearest, .15 - 1e-6);
    }
  }
}

TEST(MetaworldDistance, IsThatOfTheRewardInMetres) {
  for (const std::string id : kTasks) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id));
    const auto seen = Roll(*env, 2, 5);
    std::vector<float> given(4);
    env->TrueDistance(given);
    ASSERT_EQ(env->Spec().info[5].name, "obj_to_target");
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_FLOAT_EQ(given[i], static_cast<float>(RowOf(seen.back().info, i, 7)[5]));
      EXPECT_GT(given[i], .05);
    }
  }
}

// Without a word about the mocap body it holds the hand where it is.
TEST(MetaworldSetState, LeavesTheHandInItsPlace) {
  for (const std::string id : kTasks) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id, 1));
    const int64_t last = 20;
    const auto seen = Roll(*env, 5, last);
    StateDict state;
    env->SaveState(state);
    const auto row = state.at("sim").as<double>();
    const bool puck = id == "metaworld/reach";
    StartState start;
    start.qpos.assign(row.begin() + 1, row.begin() + (puck ? 17 : 11));
    const auto hand = [](std::span<const float> obs) {
      return std::vector<float>(obs.begin(), obs.begin() + 3);
    };
    EXPECT_THAT(hand(env->SetState(0, start).obs),
                testing::Pointwise(testing::FloatNear(1e-6), hand(seen[last].obs)));
    for (int t = 0; t < 5; ++t) env->Step(std::vector<float>(4));
    EXPECT_THAT(hand(env->Step(std::vector<float>(4)).obs),
                testing::Pointwise(testing::FloatNear(.012), hand(seen[last].obs)));
  }
}

// Fraction of episodes whose last state is a success; the distances there.
double SuccessRate(VectorEnv& env, ExpertSkill skill, std::vector<float>& distance) {
  BatchView view = env.Reset(21);
  Rng rng(22);
  std::vector<float> actions(env.Spec().num_envs * env.Spec().act_dim);
  for (int64_t t = 1; t <= env.Spec().max_episode_steps; ++t) {
    env.ExpertActions(skill, rng, actions);
    if (t == env.Spec().max_episode_steps) env.TrueDistance(distance);
    view = env.Step(actions);
  }
  double sum = 0;
  for (const uint8_t s : view.success) sum += s;
  return sum / static_cast<double>(env.Spec().num_envs);
}

TEST(MetaworldExpert, SucceedsOrEndsBeside) {
  constexpr int64_t kEpisodes = 8;
  for (const std::string id : kTasks) {
    SCOPED_TRACE(id);
    EnvOptions options = Small(id, kEpisodes);
    options.max_episode_steps = 160;
    const auto env = MakeVectorEnv(options);
    std::vector<float> distance(kEpisodes);
    EXPECT_EQ(SuccessRate(*env, ExpertSkill::kGood, distance), 1);
    EXPECT_EQ(SuccessRate(*env, ExpertSkill::kNearMiss, distance), 0);
    const double most = id == "metaworld/door-close" ? .14 : .095;  // success: within 8 cm
    for (const float d : distance) {
      EXPECT_GT(d, .045);
      EXPECT_LT(d, most);
    }
  }
}

}  // namespace
}  // namespace v2r
