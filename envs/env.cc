#include "envs/env.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace v2r {

void Env::Expert(Sim, ExpertSkill, Rng&, std::span<float>) {
  ThrowUser(
      "this environment has no scripted expert: take one of the v2r/ or metaworld/ tasks to film "
      "demonstrations");
}

void Env::Enter(Sim, EnvRow) {
  ThrowUser("this environment cannot start from a given state: its task has more to it (a goal)");
}

double Env::TrueDistance(Sim) const { return std::numeric_limits<double>::quiet_NaN(); }

void Env::Restored(Sim sim) { mj_forward(sim.model, sim.data); }

void Env::PoseGoal(Sim) { V2R_CHECK(false, "the task says has_goal_frame but poses no goal"); }

void StepServos(Sim sim, std::span<const float> action, double control_dt) {
  for (size_t i = 0; i < action.size(); ++i) {
    sim.data->ctrl[i] = action[i] * sim.model->actuator_ctrlrange[2 * i + 1];
  }
  const int substeps = static_cast<int>(std::lround(control_dt / sim.model->opt.timestep));
  for (int k = 0; k < substeps; ++k) mj_step(sim.model, sim.data);
  mj_kinematics(sim.model, sim.data);
}

}  // namespace v2r
