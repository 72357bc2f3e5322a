#include "envs/gym/gym_env.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace v2r::gym {

GymEnv::GymEnv(const std::string& xml, int64_t frame_skip, const char* camera,
               std::vector<InfoField> info, int skipped)
    : skipped_(skipped), frame_skip_(frame_skip) {
  spec_.model = WheelModel("gymnasium/envs/mujoco/assets/" + xml);
  spec_.max_episode_steps = 1000;
  spec_.info = std::move(info);
  spec_.camera = camera;
  spec_.stale_kinematics = true;
}

void GymEnv::Bind(mjModel* model) {
  for (int k = 0; k < model->nu; ++k) {
    spec_.act_low.push_back(static_cast<float>(model->actuator_ctrlrange[2 * k]));
    spec_.act_high.push_back(static_cast<float>(model->actuator_ctrlrange[2 * k + 1]));
  }
  spec_.control_dt = model->opt.timestep * static_cast<double>(frame_skip_);
  spec_.obs_dim = LookUp(model);
}

void GymEnv::Reset(Sim sim, Rng& rng, EnvRow row) {
  Draw(sim, rng);
  Begin(sim, row);
}

void GymEnv::Enter(Sim sim, EnvRow row) { Begin(sim, row); }

// No mj_rnePostConstraint: cfrc_ext of a first observation is what mj_resetData makes it, 0.
void GymEnv::Begin(Sim sim, EnvRow row) {
  mj_forward(sim.model, sim.data);
  Write(sim, row);
  Keep(sim);
}

void GymEnv::Step(Sim sim, std::span<const float> action, EnvRow row) {
  std::copy(action.begin(), action.end(), sim.data->ctrl);
  for (int64_t k = 0; k < frame_skip_; ++k) mj_step(sim.model, sim.data);
  if (reads_forces_) mj_rnePostConstraint(sim.model, sim.data);
  Write(sim, row);
  InfoRow info(row.info);
  const Outcome outcome = Judge(sim, action, info);
  V2R_CHECK(info.Full(), "a step tells less than its {} values of info", row.info.size());
  row.reward = outcome.reward;
  row.terminated = outcome.terminated;
  Keep(sim);
}

void GymEnv::Write(Sim sim, EnvRow row) const {
  ObsRow obs(row.obs);
  Observe(sim, obs);
  V2R_CHECK(obs.Full(), "an observation has fewer than {} entries", spec_.obs_dim);
  row.success = Success(sim);
}

void GymEnv::Keep(Sim sim) {
  const Place place = Where(sim);
  kept_ = {place[0], place[1], Distance(sim)};
}

void GymEnv::Observe(Sim sim, ObsRow& row) const {
  row.Put(sim.data->qpos + skipped_, sim.model->nq - skipped_);
  row.Put(sim.data->qvel, sim.model->nv);
}

double GymEnv::Distance(Sim) const { return std::numeric_limits<double>::quiet_NaN(); }

Range::Range(const std::vector<double>& option, const char* key) {
  if (option.size() != 2 || !(option[0] <= option[1])) {
    ThrowUser("env.task.{}: should be [low, high], two numbers, low <= high", key);
  }
  low = option[0];
  high = option[1];
}

// NumPy adds fewer than eight numbers in their order and eight in pairs.
float ControlCost(std::span<const float> action, double weight) {
  V2R_CHECK_LE(action.size(), 8u);
  float squares[8] = {};
  for (size_t k = 0; k < action.size(); ++k) squares[k] = action[k] * action[k];
  const float* s = squares;
  float sum = 0;
  if (action.size() == 8) {
    sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
  } else {
    for (const float square : squares) sum += square;
  }
  return static_cast<float>(weight) * sum;
}

double SquaredNorm(const mjtNum* values, int count) {
  double sum = 0;
  for (int k = 0; k < count; ++k) sum += values[k] * values[k];
  return sum;
}

void AddUniform(mjtNum* values, int count, double scale, Rng& rng) {
  for (int k = 0; k < count; ++k) values[k] += rng.Uniform(-scale, scale);
}

void AddNormal(mjtNum* values, int count, double scale, Rng& rng) {
  for (int k = 0; k < count; ++k) values[k] += scale * rng.Normal();
}

}  // namespace v2r::gym
