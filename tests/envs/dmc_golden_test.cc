// The dmc/ tasks against trajectories of dm_control itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "tests/envs/dmc_model.h"
#include "tests/envs/drive.h"
#include "tests/envs/episode_file.h"

namespace v2r {
namespace {

struct Golden : EpisodeFile {
  explicit Golden(const std::filesystem::path& path) : EpisodeFile(path) {
    id = "dmc/" + Text("domain") + "_" + Text("task");
    SetModel(DmcModel(id).get());
  }
  StartState Start(int64_t t) const {
    StartState start;
    start.qpos = At("qpos", t);
    start.qvel = At("qvel", t);
    start.qacc_warmstart = At("qacc_warmstart", t);
    start.act = All("act0");
    start.ctrl = All("ctrl0");
    start.time = All("time0")[0] + static_cast<double>(t) * std::stod(Text("control_timestep"));
    for (const auto& [name, blob] : file.tensors) {
      if (name.starts_with("model_")) start.model[name.substr(6)] = All(name);
    }
    return start;
  }

  std::string id;
};

// Whether MuJoCo alone, on this machine, repeats the file's bits. Where it does, so must we.
bool MachineRepeats(const Golden& golden) {
  const ModelPtr model = DmcModel(golden.id);
  const StartState start = golden.Start(0);
  for (const auto& [field, values] : start.model) WriteModelField(*model, field, values);
  const DataPtr data(mj_makeData(model.get()));
  const mjModel* m = model.get();
  mjData* d = data.get();
  std::copy(start.qpos.begin(), start.qpos.end(), d->qpos);
  std::copy(start.qvel.begin(), start.qvel.end(), d->qvel);
  std::copy(start.qacc_warmstart.begin(), start.qacc_warmstart.end(), d->qacc_warmstart);
  mj_forward(m, d);
  const int substeps = std::stoi(golden.Text("n_sub_steps"));
  const bool rk4 = golden.Text("integrator") == "mjINT_RK4";
  for (int64_t t = 0; t < golden.steps; ++t) {
    const auto action = golden.Action(t);
    std::copy(action.begin(), action.end(), d->ctrl);
    if (!rk4) mj_step2(m, d);
    for (int k = rk4 ? 0 : 1; k < substeps; ++k) mj_step(m, d);
    mj_step1(m, d);
    Row state(d->qpos, d->qpos + m->nq);
    state.insert(state.end(), d->qvel, d->qvel + m->nv);
    if (state != golden.State(t + 1)) return false;
  }
  return true;
}

// Takes step t of the file in env kOurs and compares all that comes of it.
void StepAndCompare(VectorEnv& env, const Golden& golden, int64_t t, Rng& rng,
                    const Allowed& allowed) {
  const BatchView view = env.Step(ActionsAt(env.Spec(), golden, t, rng));
  CompareObs(allowed, view.next_obs, golden.At("obs", t));
  EXPECT_NEAR(view.env_reward[kOurs], golden.At("rewards", t)[0], allowed.reward);
  EXPECT_EQ(view.terminated[kOurs], 0) << "discount is always 1";
  EXPECT_EQ(view.truncated[kOurs], golden.file.tensors.at("last").as<uint8_t>()[t]);
  CompareSim(allowed, env, golden, t + 1);
}

void CompareSpec(const Golden& golden, const VectorEnvSpec& spec) {
  EXPECT_EQ(spec.obs_dim, golden.obs_dim);
  EXPECT_EQ(spec.act_dim, std::stoi(golden.Text("nu")));
  const auto list = [](const std::vector<float>& values) {
    std::string text;
    for (const float v : values) text += fmt::format("{}{:.1f}", text.empty() ? "" : ", ", v);
    return "[" + text + "]";
  };
  EXPECT_EQ(list(spec.act_low), golden.Text("action_low"));
  EXPECT_EQ(list(spec.act_high), golden.Text("action_high"));
  EXPECT_EQ(spec.max_episode_steps, std::stoi(golden.Text("episode_steps")));
  EXPECT_DOUBLE_EQ(spec.control_dt, std::stod(golden.Text("control_timestep")));
}

void CompareFile(const std::filesystem::path& path) {
  const Golden golden(path);
  const bool repeats = MachineRepeats(golden);
  const int64_t horizon = repeats ? golden.steps : std::stoll(golden.Text("chaos_horizon"));
  const Allowed allowed = AllowedWhere(repeats, golden.id);
  const auto env = MakeVectorEnv(Small(golden.id, kEnvs));
  CompareSpec(golden, env->Spec());
  env->Reset(7);
  Rng rng(8);
  // The others are some way into their episodes.
  for (int t = 0; t < 3; ++t) env->Step(RandomActions(env->Spec(), rng));

  BatchView view = env->SetState(kOurs, golden.Start(0));
  CompareObs(allowed, view.obs, golden.All("obs0"));
  allowed.Compare("integration state", SimRow(*env), golden.All("integration_state0"));
  for (int64_t t = 0; t < horizon && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("trajectory, step {}", t));
    StepAndCompare(*env, golden, t, rng, allowed);
  }
  for (int64_t t = 0; t < golden.steps && !testing::Test::HasFailure(); ++t) {
    SCOPED_TRACE(fmt::format("from the stored state {}", t));
    env->SetState(kOurs, golden.Start(t));
    StepAndCompare(*env, golden, t, rng, allowed);
  }
}

TEST(DmcGolden, EveryStepOfEveryFile) {
  for (const auto& path : EpisodeFiles("dmc")) {
    SCOPED_TRACE(path.string());
    CompareFile(path);
    if (HasFailure()) return;
  }
}

// cheetah_run simulates in its reset, from the draws of its limited joints on. dm_control sets qpos
// without a forward pass, so that the first half of the first substep is that of the pose before.
Row SettleCheetah(const mjModel* m, const std::function<double(double low, double high)>& draw) {
  const DataPtr data(mj_makeData(m));
  mjData* d = data.get();
  mj_forward(m, d);
  for (int j = 0; j < m->njnt; ++j) {
    if (!m->jnt_limited[j]) continue;
    d->qpos[m->jnt_qposadr[j]] = draw(m->jnt_range[2 * j], m->jnt_range[2 * j + 1]);
  }
  mj_step2(m, d);
  for (int k = 1; k < 200; ++k) mj_step(m, d);
  Row state(d->qpos, d->qpos + m->nq);
  state.insert(state.end(), d->qvel, d->qvel + m->nv);
  return state;
}

TEST(DmcGolden, CheetahSettlesAsInDmControl) {
  const ModelPtr model = DmcModel("dmc/cheetah_run");
  const Golden golden(GoldenDir("env") / "dmc/cheetah_run/seed0.safetensors");
  std::mt19937 numpy(static_cast<uint32_t>(std::stoul(golden.Text("seed"))));
  const Row theirs = SettleCheetah(model.get(), [&](double low, double high) {
    const uint32_t a = numpy() >> 5, b = numpy() >> 6;  // RandomState.random_sample
    return low + (high - low) * ((a * 67108864.0 + b) / 9007199254740992.0);
  });
  Allowed allowed;
  if (!MachineRepeats(golden)) allowed = {1e-5 * EnvToleranceScale(), 0, false};
  allowed.Compare("state", theirs, golden.State(0));

  const auto env = MakeVectorEnv(Small(golden.id, kEnvs));
  env->Reset(7);
  Rng rng = Rng(7).Fork("env", kOurs).Fork("episode", 0);
  const Row settled =
      SettleCheetah(model.get(), [&](double low, double high) { return rng.Uniform(low, high); });
  const Row sim = SimRow(*env);
  Allowed{}.Compare("state", Row(sim.begin() + 1, sim.begin() + 1 + golden.nq + golden.nv),
                    settled);
}

}  // namespace
}  // namespace v2r
