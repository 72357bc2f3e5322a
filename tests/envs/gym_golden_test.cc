// The gym/ tasks against trajectories of Gymnasium itself.
#include <gtest/gtest.h>

#include <algorithm>

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
