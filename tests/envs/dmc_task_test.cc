// What the dmc/ tasks promise beyond dm_control: success, distances, and models of their own that
// stay their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/envs/dmc_model.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

const char* const kOwnModels[] = {"dmc/reacher_easy", "dmc/finger_spin", "dmc/finger_turn_hard"};

// Arrays of the task's model, all entries changed.
std::map<std::string, std::vector<double>> OddModel(const std::string& id) {
  const ModelPtr m = DmcModel(id);
  const auto array = [](const auto* values, int64_t size) {
    std::vector<double> all(values, values + size);
    for (double& v : all) v = 1.25 * v + .01;
    return all;
  };
  if (id == "dmc/reacher_easy") {
    return {{"geom_pos", array(m->geom_pos, 3 * m->ngeom)},
            {"geom_size", array(m->geom_size, 3 * m->ngeom)}};
  }
  if (id == "dmc/finger_spin") return {{"dof_damping", array(m->dof_damping, m->nv)}};
  return {{"site_pos", array(m->site_pos, 3 * m->nsite)},
          {"site_size", array(m->site_size, 3 * m->nsite)}};
}

StartState Middle(const std::string& id) {
  const ModelPtr m = DmcModel(id);
  StartState start;
  start.qpos.assign(m->qpos0, m->qpos0 + m->nq);
  start.qvel.assign(static_cast<size_t>(m->nv), 0.5);
  return start;
}

TEST(DmcOwnModel, TargetsStayForAnEpisodeAndDifferBetweenEpisodesAndEnvs) {
  constexpr int64_t kEnvs = 3, kLimit = 5;
  EnvOptions options = Small("dmc/finger_turn_easy", kEnvs);
  options.max_episode_steps = kLimit;
  const auto env = MakeVectorEnv(options);
  const auto rows = Roll(*env, 4, 3 * kLimit);
  const auto target = [&](const std::vector<float>& obs, int64_t i) {
    const auto row = RowOf(obs, i, env->Spec().obs_dim);
    return std::vector<float>{row[9], row[10]};
  };
  std::vector<std::vector<float>> all, present(kEnvs);
  for (int64_t t = 0; t <= 3 * kLimit; ++t) {
    for (int64_t i = 0; i < kEnvs; ++i) {
      const auto now = target(rows[t].obs, i);
      if (t % kLimit == 0) {  // the first state of an episode
        EXPECT_THAT(all, testing::Not(testing::Contains(now)));
        all.push_back(now);
        present[i] = now;
      }
      EXPECT_EQ(now, present[i]) << t;
    }
  }
}

TEST(DmcOwnModel, IsNotTheModelOfTheNeighbours) {
  for (const std::string id : kOwnModels) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id, 3)), calm = MakeVectorEnv(Small(id, 3));
    env->Reset(1);
    calm->Reset(1);
    StartState start = Middle(id);
    calm->SetState(1, start);
    start.model = OddModel(id);
    env->SetState(1, start);
    Rng rng(2);
    bool acts = false;
    for (int t = 0; t < 10; ++t) {
      const auto actions = RandomActions(env->Spec(), rng);
      const Seen a = Look(env->Step(actions)), b = Look(calm->Step(actions));
      for (const int64_t i : {0, 2}) {
        ASSERT_EQ(RowOf(a.obs, i, env->Spec().obs_dim), RowOf(b.obs, i, env->Spec().obs_dim));
        ASSERT_EQ(a.reward[i], b.reward[i]);
      }
      acts |= RowOf(a.obs, 1, env->Spec().obs_dim) != RowOf(b.obs, 1, env->Spec().obs_dim);
    }
    EXPECT_TRUE(acts) << "the arrays that were set count";
  }
}

TEST(DmcOwnModel, IsPartOfTheState) {
  for (const std::string id : kOwnModels) {
    SCOPED_TRACE(id);
    EnvOptions options = Small(id, 3);
    options.max_episode_steps = 12;
    const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
    env->Reset(1);
    StartState start = Middle(id);
    start.model = OddModel(id);
    env->SetState(1, start);
    Rng rng(2);
    for (int t = 0; t < 4; ++t) env->Step(RandomActions(env->Spec(), rng));
    StateDict state;
    env->SaveState(state);
    other->Reset(9);
    other->LoadState(state);
    for (int t = 0; t < 20; ++t) {  // over the ends of the episodes
      const auto actions = RandomActions(env->Spec(), rng);
      ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << t;
    }
  }
}

TEST(DmcOwnModel, IsTheMjcfsAgainAfterReset) {
  for (const std::string id : kOwnModels) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id, 2)), fresh = MakeVectorEnv(Small(id, 2));
    env->Reset(1);
    StartState start = Middle(id);
    start.model = OddModel(id);
    env->SetState(0, start);
    EXPECT_TRUE(Roll(*env, 5, 10) == Roll(*fresh, 5, 10));
  }
}

TEST(DmcOwnModel, TasksThatShareTheirModelTakeNone) {
  const auto env = MakeVectorEnv(Small("dmc/walker_walk", 2));
  env->Reset(1);
  StartState start = Middle("dmc/walker_walk");
  start.model = {{"dof_damping", std::vector<double>(9)}};
  EXPECT_THROW(env->SetState(0, start), UserError);
}

// As in dm_control, whose forward pass at the start has actuation disabled.
TEST(DmcStart, ControlsOfAStartStayButDoNotAct) {
  const auto env = MakeVectorEnv(Small("dmc/hopper_stand", 2));
  const int64_t width = env->Spec().obs_dim;
  env->Reset(1);
  StartState start = Middle("dmc/hopper_stand");
  start.qpos[1] = -.07;  // the foot in the ground
  Look(env->SetState(0, start));
  start.ctrl.assign(4, 1.0);
  const Seen seen = Look(env->SetState(1, start));
  EXPECT_GT(seen.obs[width - 1] + seen.obs[width - 2], 0) << "the foot feels the ground";
  EXPECT_EQ(RowOf(seen.obs, 0, width), RowOf(seen.obs, 1, width));
  const ModelPtr m = DmcModel("dmc/hopper_stand");
  StateDict state;
  env->SaveState(state);
  const auto rows = state.at("sim").as<double>();
  const auto ctrl = rows.begin() + rows.size() / 2 + mj_stateSize(m.get(), mjSTATE_CTRL - 1);
  EXPECT_THAT(std::vector<double>(ctrl, ctrl + 4), testing::Each(1.0));
}

struct Outcome {
  std::string id;
  int entry;  // of qpos or qvel that is changed, from qpos0 and 0
  double qpos = 0, qvel = 0;
  bool success = false;
};

TEST(DmcSuccess, IsWhereTheRewardsBoundsAreMet) {
  const Outcome outcomes[] = {
      {"dmc/cartpole_balance", 0, 0, 0, true},
      {"dmc/cartpole_balance", 0, .3, 0, false},
      {"dmc/cartpole_swingup", 1, .05, 0, true},
      {"dmc/cartpole_swingup", 1, .2, 0, false},
      {"dmc/cartpole_swingup_sparse", 1, 3, 0, false},
      {"dmc/point_mass_easy", 0, .012, 0, true},
      {"dmc/point_mass_easy", 0, .02, 0, false},
      {"dmc/pendulum_swingup", 0, .1, 0, true},
      {"dmc/pendulum_swingup", 0, .2, 0, false},
      {"dmc/ball_in_cup_catch", 3, .33, 0, true},
      {"dmc/ball_in_cup_catch", 3, 0, 0, false},
      {"dmc/finger_spin", 2, 0, -16, true},
      {"dmc/finger_spin", 2, 0, 16, false},
      {"dmc/cheetah_run", 0, 0, 11, true},
      {"dmc/cheetah_run", 0, 0, 9, false},
      {"dmc/walker_stand", 0, 0, 0, true},
      {"dmc/walker_stand", 0, -.3, 0, false},
      {"dmc/walker_walk", 1, 0, 2, true},
      {"dmc/walker_walk", 1, 0, .5, false},
      {"dmc/walker_run", 1, 0, 9, true},
      {"dmc/walker_run", 1, 0, 2, false},
      {"dmc/hopper_stand", 0, 0, 0, true},
      {"dmc/hopper_hop", 0, 0, 3, true},
      {"dmc/hopper_hop", 0, 0, 1, false},
      {"dmc/humanoid_stand", 2, 0, 0, true},
      {"dmc/humanoid_stand", 2, -.4, 0, false},
      {"dmc/humanoid_walk", 1, 0, -2, true},  // sideways counts
      {"dmc/humanoid_walk", 1, 0, .5, false},
      {"dmc/humanoid_run", 0, 0, 11, true},
      {"dmc/humanoid_run", 0, 0, 2, false},
  };
  for (const Outcome& outcome : outcomes) {
    SCOPED_TRACE(fmt::format("{} {} {} {}", outcome.id, outcome.entry, outcome.qpos, outcome.qvel));
    const auto env = MakeVectorEnv(Small(outcome.id, 1));
    env->Reset(1);
    StartState start = Middle(outcome.id);
    std::fill(start.qvel.begin(), start.qvel.end(), 0.0);
    start.qpos[outcome.entry] += outcome.qpos;
    start.qvel[outcome.entry] += outcome.qvel;
    env->SetState(0, start);
    const BatchView view = env->Step(std::vector<float>(env->Spec().act_dim));
    EXPECT_EQ(view.success[0], outcome.success);
    if (outcome.success) {
      EXPECT_GT(view.env_reward[0], .9);
    }
  }
}

// Where the reward is 0 or 1, success is the reward.
TEST(DmcSuccess, IsTheRewardWhereThatIsAnIndicator) {
  for (const std::string id : {"dmc/reacher_easy", "dmc/reacher_hard", "dmc/finger_turn_easy",
                               "dmc/finger_turn_hard", "dmc/pendulum_swingup"}) {
    SCOPED_TRACE(id);
    EnvOptions options = Small(id, 64);
    options.max_episode_steps = 10;
    const auto env = MakeVectorEnv(options);
    const auto rows = Roll(*env, 3, 60);
    int count[2] = {};
    for (size_t t = 1; t < rows.size(); ++t) {
      for (int64_t i = 0; i < 64; ++i) {
        ASSERT_EQ(rows[t].reward[i], rows[t].success[i]);
        ++count[rows[t].success[i]];
      }
    }
    EXPECT_GT(count[0], 0);
    EXPECT_GT(count[1], 0);
  }
}

TEST(DmcDistance, IsThatOfTheObservationInMetres) {
  const auto check = [](const std::string& id, auto distance) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id, 4));
    const auto seen = Roll(*env, 2, 5);
    std::vector<float> given(4);
    env->TrueDistance(given);
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(given[i], distance(RowOf(seen.back().obs, i, env->Spec().obs_dim)), 1e-6);
    }
  };
  check("dmc/reacher_hard", [](const auto& o) { return std::hypot(o[2], o[3]); });
  check("dmc/point_mass_easy", [](const auto& o) { return std::hypot(o[0], o[1]); });
  check("dmc/finger_turn_hard", [](const auto& o) { return o[11] + .03; });
  // The middle of the cup is 5 cm below its origin at .6, the ball's origin at .2.
  check("dmc/ball_in_cup_catch",
        [](const auto& o) { return std::hypot(o[2] - o[0], o[3] + .2 - (o[1] + .55)); });
  const auto env = MakeVectorEnv(Small("dmc/walker_walk", 1));
  env->Reset(1);
  std::vector<float> none(1);
  env->TrueDistance(none);
  EXPECT_TRUE(std::isnan(none[0])) << "walking has no goal to be away from";
}

}  // namespace
}  // namespace v2r
