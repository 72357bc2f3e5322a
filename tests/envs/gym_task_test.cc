// The options of the gym/ tasks, their starts, ends and rewards; that the defaults are Gymnasium's
// is shown by gym_golden_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "core/error.h"
#include "tests/envs/drive.h"
#include "tests/envs/gym_model.h"

namespace v2r {
namespace {

std::vector<std::string> GymNames() {
  std::vector<std::string> names;
  for (const std::string& name : EnvNames()) {
    if (name.starts_with("gym/")) names.push_back(name);
  }
  return names;
}

EnvOptions With(const std::string& id, const std::string& task, int64_t num_envs = 4) {
  EnvOptions options = Small(id, num_envs);
  options.task = ParseYaml(task.empty() ? "{}" : task, "test");
  return options;
}

std::vector<Seen> RollWith(const std::string& id, const std::string& task, int steps = 60) {
  return Roll(*MakeVectorEnv(With(id, task)), 3, steps);
}

// Place of a field in EnvSpec::info.
int64_t InfoAt(const VectorEnvSpec& spec, const std::string& name) {
  int64_t at = 0;
  for (const InfoField& field : spec.info) {
    if (field.name == name) return at;
    at += field.size;
  }
  throw Error(spec.name + " tells no " + name);
}

bool IsPartOfReward(const std::string& field) {
  return field.starts_with("reward_") || field.ends_with("_penalty");
}

TEST(GymTask, ElevenAreThere) { EXPECT_EQ(GymNames().size(), 11u); }

// A value of each key that is not the default and has to show. `task`: keys that both runs get, so
// that it can.
struct Change {
  std::string key, value, task;
};

std::vector<Change> Changes(const std::string& id) {
  const bool ant = id == "gym/Ant-v5";
  return {{"frame_skip", "3", ""},
          {"forward_reward_weight", "2", ""},
          {"ctrl_cost_weight", "3", ""},
          {"reset_noise_scale", "0.03", ""},
          {"exclude_current_positions_from_observation", "false", ""},
          {"healthy_reward", "7", ""},
          {"terminate_when_unhealthy", "false", ant ? "healthy_z_range: [0.74, 0.76]" : ""},
          {"healthy_z_range", ant ? "[0.74, 0.76]" : "[1.26, 1.3]", ""},
          {"healthy_angle_range", "[-0.01, 0.01]", ""},
          {"healthy_state_range", "[-0.1, 0.1]", ""},
          {"contact_cost_weight", "0.01", ""},
          {"main_body", "4", ""},
          {"contact_force_range", "[-0.1, 0.2]", ""},
          {"include_cfrc_ext_in_observation", "false", ""},
          {"include_cinert_in_observation", "false", ""},
          {"include_cvel_in_observation", "false", ""},
          {"include_qfrc_actuator_in_observation", "false", ""},
          {"contact_cost_range", "[3, 4]", ""},
          {"impact_cost_range", "[3, 4]", ""},
          {"impact_cost_weight", "0.01", ""},
          {"uph_cost_weight", "2", ""},
          {"reward_dist_weight", "2", ""},
          {"reward_control_weight", "2", ""},
          {"reward_near_weight", "2", ""}};
}

TEST(GymTask, EveryKeyChangesSomething) {
  std::set<std::string> used;
  for (const std::string& id : GymNames()) {
    const auto changes = Changes(id);
    for (const FieldDoc& field : EnvTaskFields(id)) {
      const std::string key = field.path.substr(std::string("env.task.").size());
      SCOPED_TRACE(id + " " + key);
      const auto change = std::find_if(changes.begin(), changes.end(),
                                       [&](const Change& c) { return c.key == key; });
      ASSERT_NE(change, changes.end()) << "a key without a test";
      used.insert(key);
      const std::string changed = change->task + "\n" + key + ": " + change->value;
      EXPECT_FALSE(RollWith(id, change->task) == RollWith(id, changed));
    }
  }
  EXPECT_EQ(used.size(), Changes("").size());
}

TEST(GymTask, ObservationsHaveTheSizesOfTheirParts) {
  const struct {
    std::string id, task;
    int64_t obs_dim;
  } cases[] = {
      {"gym/Ant-v5", "exclude_current_positions_from_observation: false", 107},
      {"gym/Ant-v5", "include_cfrc_ext_in_observation: false", 27},
      {"gym/HalfCheetah-v5", "exclude_current_positions_from_observation: false", 18},
      {"gym/Hopper-v5", "exclude_current_positions_from_observation: false", 12},
      {"gym/Walker2d-v5", "exclude_current_positions_from_observation: false", 18},
      {"gym/Swimmer-v5", "exclude_current_positions_from_observation: false", 10},
      {"gym/Humanoid-v5", "exclude_current_positions_from_observation: false", 350},
      {"gym/Humanoid-v5", "include_cinert_in_observation: false", 348 - 130},
      {"gym/Humanoid-v5", "include_cvel_in_observation: false", 348 - 78},
      {"gym/HumanoidStandup-v5", "include_qfrc_actuator_in_observation: false", 348 - 17},
      {"gym/HumanoidStandup-v5", "include_cfrc_ext_in_observation: false", 348 - 78},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(MakeVectorEnv(With(c.id, c.task))->Spec().obs_dim, c.obs_dim) << c.id << c.task;
  }
}

TEST(GymTask, LeftOutPositionsAreTheFirstEntries) {
  for (const std::string id : {"gym/Ant-v5", "gym/Hopper-v5", "gym/Humanoid-v5"}) {
    const auto with = RollWith(id, "exclude_current_positions_from_observation: false", 5),
               without = RollWith(id, "", 5);
    const auto spec = MakeVectorEnv(With(id, ""))->Spec();
    const int64_t skipped = id == "gym/Hopper-v5" ? 1 : 2;
    for (size_t t = 1; t < with.size(); ++t) {
      const auto all = RowOf(with[t].next_obs, 0, spec.obs_dim + skipped);
      EXPECT_EQ(std::vector<float>(all.begin() + skipped, all.end()),
                RowOf(without[t].next_obs, 0, spec.obs_dim));
      EXPECT_EQ(all[0], static_cast<float>(with[t].info[InfoAt(spec, "x_position")]));
    }
  }
}

// A doubled weight doubles its part of the reward; all else stays.
TEST(GymTask, WeightsWeighTheirPart) {
  const struct {
    std::string id, key, twice, part;
  } cases[] = {
      {"gym/Ant-v5", "forward_reward_weight", "2", "reward_forward"},
      {"gym/Ant-v5", "ctrl_cost_weight", "1", "reward_ctrl"},
      {"gym/Ant-v5", "contact_cost_weight", "1e-3", "reward_contact"},
      {"gym/Ant-v5", "healthy_reward", "2", "reward_survive"},
      {"gym/HalfCheetah-v5", "forward_reward_weight", "2", "reward_forward"},
      {"gym/HalfCheetah-v5", "ctrl_cost_weight", "0.2", "reward_ctrl"},
      {"gym/Hopper-v5", "forward_reward_weight", "2", "reward_forward"},
      {"gym/Hopper-v5", "ctrl_cost_weight", "2e-3", "reward_ctrl"},
      {"gym/Walker2d-v5", "healthy_reward", "2", "reward_survive"},
      {"gym/Swimmer-v5", "forward_reward_weight", "2", "reward_forward"},
      {"gym/Swimmer-v5", "ctrl_cost_weight", "2e-4", "reward_ctrl"},
      {"gym/Humanoid-v5", "forward_reward_weight", "2.5", "reward_forward"},
      {"gym/Humanoid-v5", "ctrl_cost_weight", "0.2", "reward_ctrl"},
      {"gym/Humanoid-v5", "contact_cost_weight", "1e-6", "reward_contact"},
      {"gym/Humanoid-v5", "healthy_reward", "10", "reward_survive"},
      {"gym/HumanoidStandup-v5", "uph_cost_weight", "2", "reward_linup"},
      {"gym/HumanoidStandup-v5", "ctrl_cost_weight", "0.2", "reward_quadctrl"},
      {"gym/HumanoidStandup-v5", "impact_cost_weight", "1e-6", "reward_impact"},
      {"gym/InvertedDoublePendulum-v5", "healthy_reward", "20", "reward_survive"},
      {"gym/Pusher-v5", "reward_near_weight", "1", "reward_near"},
      {"gym/Pusher-v5", "reward_dist_weight", "2", "reward_dist"},
      {"gym/Pusher-v5", "reward_control_weight", "0.2", "reward_ctrl"},
      {"gym/Reacher-v5", "reward_dist_weight", "2", "reward_dist"},
      {"gym/Reacher-v5", "reward_control_weight", "2", "reward_ctrl"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.id + " " + c.key);
    const auto spec = MakeVectorEnv(With(c.id, ""))->Spec();
    const int64_t part = InfoAt(spec, c.part);
    const auto once = RollWith(c.id, "", 15), twice = RollWith(c.id, c.key + ": " + c.twice, 15);
    bool counts = false;
    for (size_t t = 1; t < once.size(); ++t) {
      ASSERT_EQ(once[t].next_obs, twice[t].next_obs);
      for (int64_t i = 0; i < spec.num_envs; ++i) {
        auto a = RowOf(once[t].info, i, spec.info_dim), b = RowOf(twice[t].info, i, spec.info_dim);
        const double change = b[part] - a[part], size = std::abs(a[part]);
        ASSERT_NEAR(change, a[part], 1e-6 * size);
        ASSERT_NEAR(twice[t].env_reward[i] - once[t].env_reward[i], change, 1e-9 * (1 + size));
        counts |= a[part] != 0;
        a[part] = b[part] = 0;
        ASSERT_EQ(a, b);
      }
    }
    EXPECT_TRUE(counts) << "the part was never there";
  }
}

TEST(GymTask, RewardIsTheSumOfItsParts) {
  for (const std::string& id : GymNames()) {
    SCOPED_TRACE(id);
    const auto spec = MakeVectorEnv(With(id, ""))->Spec();
    const auto rows = RollWith(id, "", 30);
    for (size_t t = 1; t < rows.size(); ++t) {
      for (int64_t i = 0; i < spec.num_envs; ++i) {
        double sum = id == "gym/HumanoidStandup-v5" ? 1 : 0;
        const double* info = rows[t].info.data() + i * spec.info_dim;
        for (const InfoField& field : spec.info) {
          if (IsPartOfReward(field.name)) sum += *info;
          info += field.size;
        }
        ASSERT_NEAR(rows[t].env_reward[i], sum, 1e-9 * (1 + std::abs(sum)));
      }
    }
  }
}

TEST(GymTask, MainBodyIsANumberOrAName) {
  const auto number = RollWith("gym/Ant-v5", "main_body: 1", 10);
  EXPECT_TRUE(number == RollWith("gym/Ant-v5", "main_body: torso", 10));
  EXPECT_FALSE(number == RollWith("gym/Ant-v5", "main_body: aux_1", 10));
  for (const std::string wrong : {"14", "-1", "tail", "1x"}) {
    try {
      MakeVectorEnv(With("gym/Ant-v5", "main_body: " + wrong));
      ADD_FAILURE() << wrong;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("env.task.main_body"));
      EXPECT_THAT(error.what(), testing::HasSubstr("'" + wrong + "'"));
    }
  }
}

TEST(GymTask, RangesAreTwoNumbersInOrder) {
  const std::pair<std::string, std::string> cases[] = {
      {"gym/Hopper-v5", "healthy_z_range"},      {"gym/Hopper-v5", "healthy_angle_range"},
      {"gym/Hopper-v5", "healthy_state_range"},  {"gym/Ant-v5", "contact_force_range"},
      {"gym/Humanoid-v5", "contact_cost_range"}, {"gym/HumanoidStandup-v5", "impact_cost_range"}};
  for (const auto& [id, key] : cases) {
    for (const std::string value : {"[1]", "[1, 2, 3]", "[2, 1]", "[.nan, 1]"}) {
      try {
        MakeVectorEnv(With(id, key + ": " + value));
        ADD_FAILURE() << key << value;
      } catch (const UserError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("env.task." + key));
      }
    }
    EXPECT_NO_THROW(MakeVectorEnv(With(id, key + ": [-.inf, .inf]")));
  }
}

// What one step without action from the model's own pose gives, one coordinate changed.
struct End {
  std::string id;
  int entry;  // of qpos
  double value;
  bool terminated;
};

TEST(GymTask, EpisodesEndInUnhealthyStates) {
  const End ends[] = {
      {"gym/Ant-v5", 2, 1.1, true},
      {"gym/Ant-v5", 2, 0.9, false},
      {"gym/Hopper-v5", 2, 0.25, true},
      {"gym/Hopper-v5", 2, 0.1, false},
      {"gym/Hopper-v5", 2, -0.25, true},
      {"gym/Hopper-v5", 1, 3, false},
      {"gym/Walker2d-v5", 1, 2.1, true},
      {"gym/Walker2d-v5", 1, 1.9, false},
      {"gym/Walker2d-v5", 2, 1.1, true},
      {"gym/Walker2d-v5", 2, -0.9, false},
      {"gym/Humanoid-v5", 2, 2.1, true},
      {"gym/Humanoid-v5", 2, 1.9, false},
      {"gym/HumanoidStandup-v5", 2, 3, false},
      {"gym/HalfCheetah-v5", 2, 3, false},
      {"gym/Swimmer-v5", 2, 3, false},
      {"gym/InvertedPendulum-v5", 1, 0.25, true},
      {"gym/InvertedPendulum-v5", 1, -0.1, false},
      {"gym/InvertedDoublePendulum-v5", 1, 1.2, true},
      {"gym/InvertedDoublePendulum-v5", 1, 0.5, false},
  };
  for (const End& end : ends) {
    SCOPED_TRACE(fmt::format("{} qpos[{}] = {}", end.id, end.entry, end.value));
    const bool may_stay = end.id != "gym/InvertedPendulum-v5" &&
                          end.id != "gym/InvertedDoublePendulum-v5" && end.terminated;
    for (const bool stays : {false, true}) {
      if (stays && !may_stay) continue;
      const auto env =
          MakeVectorEnv(With(end.id, stays ? "terminate_when_unhealthy: false" : "", 1));
      env->Reset(1);
      const ModelPtr model = GymModel(end.id);
      StartState start;
      start.qpos.assign(model->qpos0, model->qpos0 + model->nq);
      start.qpos[end.entry] = end.value;
      env->SetState(0, start);
      const VectorEnvSpec& spec = env->Spec();
      const BatchView view = env->Step(std::vector<float>(spec.act_dim));
      EXPECT_EQ(view.terminated[0], end.terminated && !stays);
      if (!may_stay) continue;
      EXPECT_EQ(view.info[InfoAt(spec, "reward_survive")], 0);
    }
  }
}

StartState Rest(const std::string& id) {
  const ModelPtr model = GymModel(id);
  StartState start;
  start.qpos.assign(model->qpos0, model->qpos0 + model->nq);
  return start;
}

TEST(GymSuccess, IsTheGoalThatAStateCanMeet) {
  const auto success = [](const std::string& id, const StartState& start) {
    const auto env = MakeVectorEnv(Small(id, 1));
    env->Reset(1);
    env->SetState(0, start);
    return env->Step(std::vector<float>(env->Spec().act_dim)).success[0] == 1;
  };
  StartState start = Rest("gym/Reacher-v5");
  start.qpos = {0, 0, .21, .015};  // the arm is .21 m long, the radii add up to .019 m
  EXPECT_TRUE(success("gym/Reacher-v5", start));
  start.qpos[3] = .022;
  EXPECT_FALSE(success("gym/Reacher-v5", start));
  start = Rest("gym/Pusher-v5");
  start.qpos[7] = -.07;  // the disc's radius is .08 m
  EXPECT_TRUE(success("gym/Pusher-v5", start));
  start.qpos[8] = .06;
  EXPECT_FALSE(success("gym/Pusher-v5", start));
  for (const std::string id : {"gym/InvertedPendulum-v5", "gym/InvertedDoublePendulum-v5"}) {
    start = Rest(id);
    EXPECT_TRUE(success(id, start));
    start.qpos[1] = 1.5;
    EXPECT_FALSE(success(id, start));
  }
}

TEST(GymDistance, IsThatOfTheObservationInMetres) {
  const auto check = [](const std::string& id, auto distance) {
    SCOPED_TRACE(id);
    const auto env = MakeVectorEnv(Small(id, 4, /*render=*/false));
    const auto seen = Roll(*env, 2, 5);
    std::vector<float> given(4);
    env->TrueDistance(given);
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(given[i], distance(RowOf(seen.back().obs, i, env->Spec().obs_dim)), 1e-6);
    }
  };
  check("gym/Reacher-v5", [](const auto& o) { return std::hypot(o[8], o[9]); });
  check("gym/Pusher-v5", [](const auto& o) { return std::hypot(o[17] - o[20], o[18] - o[21]); });
  const auto env = MakeVectorEnv(Small("gym/Ant-v5", 1));
  env->Reset(1);
  std::vector<float> none(1);
  env->TrueDistance(none);
  EXPECT_TRUE(std::isnan(none[0])) << "running has no goal to be away from";
}

// First states of 256 episodes: qpos and qvel relative to the model's own pose.
std::vector<std::pair<std::vector<double>, std::vector<double>>> Starts(const std::string& id,
                                                                        const std::string& task) {
  const ModelPtr m = GymModel(id);
  const auto env = MakeVectorEnv(With(id, task, 256));
  env->Reset(5);
  StateDict state;
  env->SaveState(state);
  const auto rows = state.at("sim").as<double>();
  std::vector<std::pair<std::vector<double>, std::vector<double>>> starts;
  for (int64_t i = 0; i < 256; ++i) {
    const double* q = rows.data() + i * static_cast<int64_t>(rows.size()) / 256 + 1;  // after time
    std::vector<double> qpos(q, q + m->nq), qvel(q + m->nq, q + m->nq + m->nv);
    for (int k = 0; k < m->nq; ++k) qpos[k] -= m->qpos0[k];
    starts.emplace_back(qpos, qvel);
  }
  return starts;
}

// Of every entry of qpos (or qvel) of all starts.
struct Spread {
  double largest = 0, rms = 0;
};
Spread SpreadOf(const std::vector<std::vector<double>>& rows) {
  Spread spread;
  double sum = 0, count = 0;
  for (const auto& row : rows) {
    for (const double x : row) {
      spread.largest = std::max(spread.largest, std::abs(x));
      sum += x * x;
      ++count;
    }
  }
  spread.rms = std::sqrt(sum / count);
  return spread;
}

TEST(GymStart, IsSpreadAroundTheModelsPose) {
  for (const std::string& id : GymNames()) {
    if (id == "gym/Reacher-v5" || id == "gym/Pusher-v5") continue;
    SCOPED_TRACE(id);
    const bool normal =
        id == "gym/Ant-v5" || id == "gym/HalfCheetah-v5" || id == "gym/InvertedDoublePendulum-v5";
    for (const double scale : {0., 0.04}) {
      std::vector<std::vector<double>> qpos, qvel;
      for (const auto& [q, v] : Starts(id, fmt::format("reset_noise_scale: {}", scale))) {
        qpos.push_back(q);
        qvel.push_back(v);
      }
      const Spread q = SpreadOf(qpos), v = SpreadOf(qvel);
      EXPECT_LE(q.largest, scale + 1e-12);
      EXPECT_NEAR(q.rms, scale / std::sqrt(3), .07 * scale);
      EXPECT_NEAR(v.rms, normal ? scale : scale / std::sqrt(3), .07 * scale);
      if (normal) {
        EXPECT_GE(v.largest, 2 * scale);
      } else {
        EXPECT_LE(v.largest, scale);
      }
    }
  }
}

TEST(GymStart, OfReacherAndPusherDrawsTheGoal) {
  double farthest = 0, nearest = 1;
  const ModelPtr m = GymModel("gym/Reacher-v5");
  for (const auto& [q, v] : Starts("gym/Reacher-v5", "")) {
    EXPECT_LE(std::max(std::abs(q[0]), std::abs(q[1])), .1);
    const double r = std::hypot(q[2] + m->qpos0[2], q[3] + m->qpos0[3]);
    EXPECT_LT(r, .2);
    farthest = std::max(farthest, r);
    EXPECT_LE(std::max(std::abs(v[0]), std::abs(v[1])), .005);
    EXPECT_NE(v[0], 0);
    EXPECT_EQ(v[2], 0);
    EXPECT_EQ(v[3], 0);
  }
  EXPECT_GT(farthest, .19);
  double lowest = 0;
  for (const auto& [q, v] : Starts("gym/Pusher-v5", "")) {
    for (const int k : {0, 1, 2, 3, 4, 5, 6, 9, 10}) EXPECT_EQ(q[k], 0);
    EXPECT_TRUE(-.3 <= q[7] && q[7] <= 0 && std::abs(q[8]) <= .2);
    const double r = std::hypot(q[7], q[8]);
    EXPECT_GT(r, .17);
    nearest = std::min(nearest, r);
    lowest = std::min(lowest, q[7]);
    for (int k = 0; k < 7; ++k) EXPECT_TRUE(v[k] != 0 && std::abs(v[k]) <= .005);
    for (int k = 7; k < 11; ++k) EXPECT_EQ(v[k], 0);
  }
  EXPECT_LT(nearest, .19);
  EXPECT_LT(lowest, -.29);
}

// A camera without a name among those of the model.
TEST(GymTask, UnknownCameraSaysWhichThereAre) {
  EnvOptions options = Small("gym/Humanoid-v5", 1, /*render=*/true);
  options.camera = "trak";
  try {
    MakeVectorEnv(options);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean 'track'"));
  }
}

TEST(GymTask, MissingModelNamesTheBootstrapStep) {
  const char* before = std::getenv("V2R_DEPS_DIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("V2R_DEPS_DIR", testing::TempDir().c_str(), 1);
  std::string said;
  try {
    MakeVectorEnv(Small("gym/Hopper-v5"));
  } catch (const UserError& error) {
    said = error.what();
  }
  before == nullptr ? unsetenv("V2R_DEPS_DIR") : setenv("V2R_DEPS_DIR", kept.c_str(), 1);
  EXPECT_THAT(said, testing::AllOf(testing::HasSubstr("gymnasium/envs/mujoco/assets/hopper.xml"),
                                   testing::HasSubstr("scripts/bootstrap")));
}

}  // namespace
}  // namespace v2r
