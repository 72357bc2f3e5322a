// The gym/ tasks against trajectories of Gymnasium itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/envs/drive.h"
#include "tests/envs/episode_file.h"

namespace v2r {
namespace {

struct Golden : EpisodeFile {
  explicit Golden(const std::filesystem::path& path) : EpisodeFile(path) {
    id = "gym/" + Text("env_id");
    model = LoadModel(WheelModel("gymnasium/envs/mujoco/assets/" + Text("xml_file")));
    SetModel(model.get());
  }
  StartState Start(int64_t t) const {
    StartState start;
    start.qpos = At("qpos", t);
    start.qvel = At("qvel", t);
    start.qacc_warmstart = At("qacc_warmstart", t);
    return start;
  }
  bool Flag(const std::string& name, int64_t t) const {
    return file.tensors.at(name).as<uint8_t>()[t] != 0;
  }

  std::string id;
  ModelPtr model;
};

// Whether MuJoCo alone, on this machine, repeats the file's bits. Where it does, so must we.
bool MachineRepeats(const Golden& golden) {
  const mjModel* m = golden.model.get();
  const DataPtr data(mj_makeData(m));
  mjData* d = data.get();
  const StartState start = golden.Start(0);
  std::copy(start.qpos.begin(), start.qpos.end(), d->qpos);
  std::copy(start.qvel.begin(), start.qvel.end(), d->qvel);
  mj_forward(m, d);
  const int frame_skip = std::stoi(golden.Text("frame_skip"));
  for (int64_t t = 0; t < golden.steps; ++t) {
    const auto action = golden.Action(t);
    std::copy(action.begin(), action.end(), d->ctrl);
    for (int k = 0; k < frame_skip; ++k) mj_step(m, d);
    Row state(d->qpos, d->qpos + m->nq);
    state.insert(state.end(), d->qvel, d->qvel + m->nv);
    if (state != golden.State(t + 1)) return false;
  }
  return true;
}

void CompareSpec(const Golden& golden, const VectorEnvSpec& spec) {
  EXPECT_EQ(spec.obs_dim, golden.obs_dim);
  const auto list = [&](const char* key) {
    return nlohmann::json::parse(golden.Text(key)).get<std::vector<float>>();
  };
  EXPECT_EQ(spec.act_low, list("action_low"));
  EXPECT_EQ(spec.act_high, list("action_high"));
  EXPECT_EQ(spec.max_episode_steps, std::stoi(golden.Text("max_episode_steps")));
  EXPECT_DOUBLE_EQ(spec.control_dt, std::stod(golden.Text("dt")));
  std::set<std::string> ours, theirs;
  for (const InfoField& field : spec.info) ours.insert("info_" + field.name);
  for (const auto& [name, blob] : golden.file.tensors) {
    if (name.starts_with("info_")) theirs.insert(name);
  }
  EXPECT_EQ(ours, theirs);
}

// Reward and info of env kOurs. Within `allowed` times what a float32 cost or a force of order 1e3
// may be off by where bits differ.
void CompareJudgement(const Golden& golden, int64_t t, const VectorEnvSpec& spec,
                      const BatchView& view, const Allowed& allowed) {
  const double reward = golden.At("rewards", t)[0];
  EXPECT_NEAR(view.env_reward[kOurs], reward,
              allowed.bits ? allowed.reward : allowed.reward * (1 + std::abs(reward)));
  const double* ours = view.info.data() + kOurs * spec.info_dim;
  for (const InfoField& field : spec.info) {
    const Row theirs = golden.At("info_" + field.name, t);
    ASSERT_EQ(static_cast<int64_t>(theirs.size()), field.size) << field.name;
    for (const double value : theirs) {
      EXPECT_NEAR(*ours++, value,
                  allowed.bits ? allowed.reward : allowed.reward * (1 + std::abs(value)))
          << field.name;
    }
  }
}

// In Ant and Humanoid the speed is measured from where mj_step left the body a step before, which a
// state does not say.
bool SpeedIsOfTheState(const Golden& golden) {
  return !golden.id.starts_with("gym/Ant") && !golden.id.starts_with("gym/Humanoid-");
}

void CompareFile(const std::filesystem::path& path) {
  const Golden golden(path);
  const bool repeats = MachineRepeats(golden);
  const int64_t horizon = repeats ? golden.steps : std::stoll(golden.Text("chaos_horizon"));
  const Allowed allowed = AllowedWhere(repeats, golden.id);
  EnvOptions options = Small(golden.id, kEnvs);
  options.autoreset = "next_step";  // the state after the last step stays to be looked at
  const auto env = MakeVectorEnv(options);
  CompareSpec(golden, env->Spec());
  env->Reset(7);
  Rng rng(8);
  // The others are some way into their episodes; ours holds what a step leaves behind.
  for (int t = 0; t < 3; ++t) env->Step(RandomActions(env->Spec(), rng));

  CompareObs(allowed, env->SetState(kOurs, golden.Start(0)).obs, golden.All("obs0"));
  for (int64_t t = 0; t < horizon && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("trajectory, step {}", t));
    const BatchView view = env->Step(ActionsAt(env->Spec(), golden, t, rng));
    CompareObs(allowed, view.next_obs, golden.At("obs", t));
    CompareJudgement(golden, t, env->Spec(), view, allowed);
    EXPECT_EQ(view.terminated[kOurs], golden.Flag("terminated", t));
    EXPECT_EQ(view.truncated[kOurs], golden.Flag("truncated", t));
    CompareSim(allowed, *env, golden, t + 1);
  }
  for (int64_t t = 0; t < golden.steps && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("from the stored state {}", t));
    env->SetState(kOurs, golden.Start(t));
    const BatchView view = env->Step(ActionsAt(env->Spec(), golden, t, rng));
    CompareObs(allowed, view.next_obs, golden.At("obs", t));
    if (SpeedIsOfTheState(golden)) CompareJudgement(golden, t, env->Spec(), view, allowed);
    EXPECT_EQ(view.terminated[kOurs], golden.Flag("terminated", t));
    EXPECT_EQ(view.truncated[kOurs], 0) << "one step after the start";
    CompareSim(allowed, *env, golden, t + 1);
  }
}

TEST(GymGolden, EveryStepOfEveryFile) {
  for (const auto& path : EpisodeFiles("gym")) {
    SCOPED_TRACE(path.string());
    CompareFile(path);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace v2r
