#include "envs/dmc/suite_env.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "envs/expert.h"

namespace v2r::dmc {

void ModelArrays::Add(mjtNum* values, int size) {
  arrays_.push_back({values, nullptr, size});
  mjcf_.insert(mjcf_.end(), values, values + size);
  kept_ = mjcf_;
}

void ModelArrays::Add(float* values, int size) {
  arrays_.push_back({nullptr, values, size});
  mjcf_.insert(mjcf_.end(), values, values + size);
  kept_ = mjcf_;
}

void ModelArrays::ToMjcf() {
  kept_ = mjcf_;
  WriteKept();
}

std::span<double> ModelArrays::Kept() {
  auto to = kept_.begin();
  for (const Array& a : arrays_) {
    to = a.doubles != nullptr ? std::copy_n(a.doubles, a.size, to)
                              : std::copy_n(a.floats, a.size, to);
  }
  return kept_;
}

void ModelArrays::WriteKept() {
  auto from = kept_.begin();
  for (const Array& a : arrays_) {
    if (a.doubles != nullptr) std::copy_n(from, a.size, a.doubles);
    if (a.floats != nullptr) std::copy_n(from, a.size, a.floats);
    from += a.size;
  }
}

SuiteEnv::SuiteEnv(const char* domain, int obs_dim, int act_dim, double control_dt,
                   const char* camera) {
  spec_.model = WheelModel(fmt::format("dm_control/suite/{}.xml", domain));
  spec_.obs_dim = obs_dim;
  spec_.act_low.assign(static_cast<size_t>(act_dim), -1.f);
  spec_.act_high.assign(static_cast<size_t>(act_dim), 1.f);
  spec_.max_episode_steps = 1000;
  spec_.control_dt = control_dt;
  spec_.camera = camera;
}

void SuiteEnv::Bind(mjModel* model) {
  V2R_CHECK_EQ(model->nu, static_cast<int>(spec_.act_low.size()));
  substeps_ = static_cast<int>(std::lround(spec_.control_dt / model->opt.timestep));
  runge_kutta_ = model->opt.integrator == mjINT_RK4;
  ctrl_.resize(static_cast<size_t>(model->nu));
  LookUp(model);
}

void SuiteEnv::Reset(Sim sim, Rng& rng, EnvRow row) {
  arrays_.ToMjcf();
  Draw(sim, rng);
  Begin(sim, row);
}

void SuiteEnv::Enter(Sim sim, EnvRow row) { Begin(sim, row); }

// dm_control runs mj_forward with actuation disabled here. Every actuator of these models is a
// motor (force = gear * control), so that controls of 0 do the same without writing to a shared
// model.
void SuiteEnv::Begin(Sim sim, EnvRow row) {
  std::copy_n(sim.data->ctrl, ctrl_.size(), ctrl_.begin());
  std::fill_n(sim.data->ctrl, ctrl_.size(), 0.0);
  mj_forward(sim.model, sim.data);
  std::copy(ctrl_.begin(), ctrl_.end(), sim.data->ctrl);
  Write(sim, row);
}

void SuiteEnv::Step(Sim sim, std::span<const float> action, EnvRow row) {
  std::copy(action.begin(), action.end(), sim.data->ctrl);
  Advance(sim, substeps_);
  Write(sim, row);
  row.reward = Reward(sim);
}

// The first half of an Euler step was taken at the end of the step before (or by Begin), without
// the controls, on which it does not depend.
void SuiteEnv::Advance(Sim sim, int count) const {
  if (!runge_kutta_) {
    mj_step2(sim.model, sim.data);
    --count;
  }
  for (int k = 0; k < count; ++k) mj_step(sim.model, sim.data);
  mj_step1(sim.model, sim.data);
}

void SuiteEnv::Restored(Sim sim) {
  arrays_.WriteKept();
  mj_step1(sim.model, sim.data);
}

void SuiteEnv::Write(Sim sim, EnvRow row) const {
  ObsRow obs(row.obs);
  Observe(sim, obs);
  V2R_CHECK(obs.Full(), "an observation has fewer than {} entries", spec_.obs_dim);
  row.success = Success(sim);
}

void RandomizeJoints(Sim sim, Rng& rng) {
  const mjModel* m = sim.model;
  for (int j = 0; j < m->njnt; ++j) {
    double* q = sim.data->qpos + m->jnt_qposadr[j];
    const int type = m->jnt_type[j];
    V2R_CHECK_NE(type, static_cast<int>(mjJNT_BALL));  // no model here has one
    if (m->jnt_limited[j]) {
      *q = rng.Uniform(m->jnt_range[2 * j], m->jnt_range[2 * j + 1]);
    } else if (type == mjJNT_HINGE) {
      *q = rng.Uniform(-kPi, kPi);
    } else if (type == mjJNT_FREE) {
      for (int k = 3; k < 7; ++k) q[k] = rng.Uniform();
      mju_normalize4(q + 3);
    }
  }
}

int SensorAddress(const mjModel* model, const char* name) {
  return model->sensor_adr[RequireId(model, mjOBJ_SENSOR, name)];
}

double SmallControl(Sim sim) {
  const Zone zone{.margin = 1, .sigmoid = Sigmoid::kQuadratic, .value_at_margin = 0};
  double sum = 0;
  for (int k = 0; k < sim.model->nu; ++k) sum += Tolerance(sim.data->ctrl[k], zone);
  return (4 + sum / sim.model->nu) / 5;
}

}  // namespace v2r::dmc
