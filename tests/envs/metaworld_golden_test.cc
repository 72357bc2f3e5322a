// The metaworld/ tasks against trajectories of Meta-World itself.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/envs/drive.h"
#include "tests/envs/episode_file.h"

namespace v2r {
namespace {

struct Golden : EpisodeFile {
  explicit Golden(const std::filesystem::path& path) : EpisodeFile(path) {
    id = "metaworld/" + Text("env_id");
    model = LoadModel(WheelModel("metaworld/assets/" + Text("xml_file")));
    SetModel(model.get());
    mocap = RequireId(model.get(), mjOBJ_BODY, "mocap");
  }
  // The mocap body before step t is where the model says that it starts.
  StartState Start(int64_t t) const {
    StartState start;
    start.qpos = At("qpos", t);
    start.qvel = At("qvel", t);
    start.qacc_warmstart = At("qacc_warmstart", t);
    start.model = {{"body_pos", All("body_pos")}, {"site_pos", All("site_pos")}};
    const Row place = At("mocap_pos", t);
    std::copy(place.begin(), place.end(), start.model["body_pos"].begin() + 3 * mocap);
    return start;
  }
  EnvOptions Options() const {
    EnvOptions options = Small(id, kEnvs);
    options.autoreset = "next_step";  // the state after the last step stays to be looked at
    options.task = ParseYaml(
        fmt::format(
            "{{reward_function_version: {}, partially_observable: {}, rand_vec: [{:.17g}]}}",
            Text("reward_function_version"), Text("partially_observable"),
            fmt::join(All("rand_vec"), ", ")),
        "test");
    return options;
  }

  std::string id;
  ModelPtr model;
  int mocap = -1;
};

// Whether MuJoCo alone, on this machine, repeats the file's bits. Where it does, so must we.
bool MachineRepeats(const Golden& golden) {
  mjModel* m = golden.model.get();
  const Row weld = {0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5};
  std::copy(weld.begin(), weld.end(), m->eq_data);
  const StartState start = golden.Start(0);
  WriteModelField(*m, "body_pos", golden.All("body_pos"));
  const DataPtr data(mj_makeData(m));
  mjData* d = data.get();
  std::copy(start.qpos.begin(), start.qpos.end(), d->qpos);
  std::copy(start.qvel.begin(), start.qvel.end(), d->qvel);
  std::copy(start.qacc_warmstart.begin(), start.qacc_warmstart.end(), d->qacc_warmstart);
  for (int64_t t = 0; t < golden.steps; ++t) {
    if (t + 1 == golden.steps) break;  // where the last step leads the mocap body is not stored
    const Row mocap = golden.At("mocap_pos", t + 1), quat = {1, 0, 1, 0};
    std::copy(mocap.begin(), mocap.end(), d->mocap_pos);
    std::copy(quat.begin(), quat.end(), d->mocap_quat);
    d->ctrl[0] = golden.Action(t)[3];
    d->ctrl[1] = -d->ctrl[0];
    for (int k = 0; k < 5; ++k) mj_step(m, d);
    Row state(d->qpos, d->qpos + m->nq);
    state.insert(state.end(), d->qvel, d->qvel + m->nv);
    if (state != golden.State(t + 1)) return false;
  }
  return true;
}

// Of env kOurs after step t.
void CompareStep(const Golden& golden, int64_t t, const VectorEnv& env, const BatchView& view,
                 const Allowed& allowed) {
  CompareObs(allowed, view.next_obs, golden.At("obs", t));
  CompareJudgement(golden, t, env.Spec(), view, allowed);
  EXPECT_EQ(view.success[kOurs], golden.At("info_success", t)[0]);
  for (const auto& [name, ours] : {std::pair("terminated", view.terminated[kOurs]),
                                   std::pair("truncated", view.truncated[kOurs])}) {
    EXPECT_EQ(ours, golden.file.tensors.at(name).as<uint8_t>()[t]) << name;
  }
  CompareSim(allowed, env, golden, t + 1);
}

void CompareFile(const std::filesystem::path& path) {
  const Golden golden(path);
  const bool repeats = MachineRepeats(golden);
  const int64_t horizon = repeats ? golden.steps : std::stoll(golden.Text("chaos_horizon"));
  const Allowed allowed = AllowedWhere(repeats, golden.id);
  const auto env = MakeVectorEnv(golden.Options());
  CompareSpec(golden, env->Spec());

  // The start that this rand_vec has, out of any seed.
  CompareObs(allowed, env->Reset(7).obs, golden.All("obs0"));
  CompareSim(allowed, *env, golden, 0);
  Rng rng(8);
  for (int64_t t = 0; t < horizon && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("trajectory, step {}", t));
    const BatchView view = env->Step(ActionsAt(env->Spec(), golden, t, rng));
    CompareStep(golden, t, *env, view, allowed);
  }
  // Not from the first: DrawerOpen's first observation is a substep old, and the next one shows it.
  for (int64_t t = 1; t < golden.steps && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("from the stored state {}", t));
    env->SetState(kOurs, golden.Start(t));
    const BatchView view = env->Step(ActionsAt(env->Spec(), golden, t, rng));
    CompareStep(golden, t, *env, view, allowed);
  }
}

TEST(MetaworldGolden, EveryStepOfEveryFile) {
  for (const auto& path : EpisodeFiles("metaworld")) {
    SCOPED_TRACE(path.string());
    CompareFile(path);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace v2r
