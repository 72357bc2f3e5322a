// What MujocoVectorEnv does inside MuJoCo's batch engine, for one simulation on some thread.
#include <algorithm>

#include "core/error.h"
#include "envs/mujoco_vector_env.h"

namespace v2r {

void MujocoVectorEnv::Apply(mjfBatchFunc function, bool save) {
  handover_.fetch_add(1);
  const int failed =
      mjb_apply(batch_.get(), ids_.data(), static_cast<int>(ids_.size()), function, this, save);
  handover_.fetch_add(1);
  CountWarnings();
  for (int i : ids_) {
    if (!errors_[i]) continue;
    const std::exception_ptr error = errors_[i];
    std::fill(errors_.begin(), errors_.end(), nullptr);
    std::rethrow_exception(error);
  }
  if (failed == 0) return;
  for (int i : ids_) {
    if (mjb_status(batch_.get())[i] != 0) {
      throw Error(fmt::format("{}: MuJoCo failed in env {}: {}", spec_.name, slice_.first + i,
                              mjb_error(batch_.get(), i)));
    }
  }
}

// No exception may leave through MuJoCo's C frames.
template <typename Body>
void MujocoVectorEnv::Guarded(void* arg, int i, Body body) {
  auto& self = *static_cast<MujocoVectorEnv*>(arg);
  self.handover_.fetch_add(1);
  try {
    body(self);
  } catch (...) {
    self.errors_[i] = std::current_exception();
  }
  self.handover_.fetch_add(1);
}

EnvRow MujocoVectorEnv::Row(std::vector<float>& obs, int i) {
  return {{obs.data() + i * spec_.obs_dim, static_cast<size_t>(spec_.obs_dim)},
          env_reward_[i],
          terminated_[i],
          truncated_[i],
          success_[i],
          {info_.data() + i * spec_.info_dim, static_cast<size_t>(spec_.info_dim)}};
}

EnvRow MujocoVectorEnv::StartRow(int i, double& reward, uint8_t* flags) {
  EnvRow row = Row(obs_, i);
  return {row.obs, reward, flags[0], flags[1], flags[2], {}};
}

void MujocoVectorEnv::CaptureSim(const mjModel*, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) { self.data_[i] = d; });
}

void MujocoVectorEnv::StepSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) {
    if (self.distractor_mocap_ >= 0) {
      const double seconds = (self.steps_[i] + 1) * self.spec_.control_dt;
      self.distractors_[i].Place(seconds, d->mocap_pos + 3 * self.distractor_mocap_);
    }
    const size_t a = self.spec_.act_dim;
    self.envs_[i]->Step({m, d}, {self.actions_.data() + i * a, a}, self.Row(self.next_obs_, i));
  });
}

void MujocoVectorEnv::ResetSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) {
    Rng rng = Rng(self.seed_).Fork("env", self.slice_.first + i).Fork("episode", self.episode_[i]);
    mj_resetData(m, d);
    if (!self.distractors_.empty()) self.distractors_[i].Draw(rng);
    if (self.distractor_mocap_ >= 0) {
      self.distractors_[i].Place(0, d->mocap_pos + 3 * self.distractor_mocap_);
    }
    double reward = 0;
    uint8_t flags[3] = {};
    self.envs_[i]->Reset({m, d}, rng, self.StartRow(i, reward, flags));
  });
}

void MujocoVectorEnv::EnterSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) {
    mj_resetData(m, d);
    const StartState& start = *self.start_;
    const auto put = [](const std::vector<double>& from, mjtNum* to) {
      std::copy(from.begin(), from.end(), to);
    };
    put(start.qpos, d->qpos);
    put(start.qvel, d->qvel);
    put(start.act, d->act);
    put(start.ctrl, d->ctrl);
    put(start.qacc_warmstart, d->qacc_warmstart);
    d->time = start.time;
    if (self.distractor_mocap_ >= 0) {
      self.distractors_[i].Place(0, d->mocap_pos + 3 * self.distractor_mocap_);
    }
    double reward = 0;
    uint8_t flags[3] = {};
    self.envs_[i]->Enter({m, d}, self.StartRow(i, reward, flags));
  });
}

void MujocoVectorEnv::PoseGoalSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) { self.envs_[i]->PoseGoal({m, d}); });
}

void MujocoVectorEnv::RefreshSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv& self) { self.envs_[i]->Restored({m, d}); });
}

void MujocoVectorEnv::KinematicsSim(const mjModel* m, mjData* d, int i, void* arg) {
  Guarded(arg, i, [&](MujocoVectorEnv&) {
    mj_kinematics(m, d);
    mj_comPos(m, d);  // cameras that track a centre of mass
    mj_camlight(m, d);
  });
}

}  // namespace v2r
