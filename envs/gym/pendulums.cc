#include <algorithm>
#include <cmath>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class InvertedPendulum : public GymEnv {
 public:
  explicit InvertedPendulum(const InvertedPendulumOptions& options)
      : GymEnv("inverted_pendulum.xml", options.frame_skip, "", {{"reward_survive"}}),
        options_(options) {
    spec_.view = {.distance = 2.04};  // Gymnasium's
  }

 private:
  int LookUp(const mjModel* model) override { return model->nq + model->nv; }
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddUniform(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos, sim.model->nq);
    row.Put(sim.data->qvel, sim.model->nv);
  }
  Outcome Judge(Sim sim, std::span<const float>, InfoRow& info) const override {
    const bool up = Success(sim);
    info.Put(up ? 1 : 0);
    return {up ? 1. : 0., !up};
  }
  bool Success(Sim sim) const override {
    const mjtNum* q = sim.data->qpos;
    const mjtNum* v = sim.data->qvel;
    return std::isfinite(q[0]) && std::isfinite(v[0]) && std::isfinite(v[1]) &&
           std::abs(q[1]) <= 0.2;
  }

  InvertedPendulumOptions options_;
};

class InvertedDoublePendulum : public GymEnv {
 public:
  explicit InvertedDoublePendulum(const InvertedDoublePendulumOptions& options)
      : GymEnv("inverted_double_pendulum.xml", options.frame_skip, "",
               {{"reward_survive"}, {"distance_penalty"}, {"velocity_penalty"}}),
        options_(options) {
    // The one that Gymnasium's file names and does not use.
    spec_.view = {.lookat = {0, 0, 0.1225}, .distance = 4.1225};
  }

 private:
  int LookUp(const mjModel* model) override {
    tip_ = RequireId(model, mjOBJ_SITE, "tip");
    return 1 + 2 * (model->nq - 1) + model->nv + 1;
  }
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddNormal(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    const auto clip = [](double x) { return std::clamp(x, -10., 10.); };
    const mjtNum* q = sim.data->qpos;
    row.Put(q[0]);
    for (int k = 1; k < sim.model->nq; ++k) row.Put(std::sin(q[k]));
    for (int k = 1; k < sim.model->nq; ++k) row.Put(std::cos(q[k]));
    for (int k = 0; k < sim.model->nv; ++k) row.Put(clip(sim.data->qvel[k]));
    row.Put(clip(sim.data->qfrc_constraint[0]));
  }
  Outcome Judge(Sim sim, std::span<const float>, InfoRow& info) const override {
    const double x = sim.data->site_xpos[3 * tip_], z = sim.data->site_xpos[3 * tip_ + 2];
    const double v1 = sim.data->qvel[1], v2 = sim.data->qvel[2];
    const bool up = Success(sim);
    const double distance = 0.01 * x * x + (z - 2) * (z - 2);
    const double velocity = 1e-3 * v1 * v1 + 5e-3 * v2 * v2;
    const double survive = up ? options_.healthy_reward : 0;
    info.Put(survive);
    info.Put(-distance);
    info.Put(-velocity);
    return {survive - distance - velocity, !up};
  }
  bool Success(Sim sim) const override { return !(sim.data->site_xpos[3 * tip_ + 2] <= 1); }

  InvertedDoublePendulumOptions options_;
  int tip_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeInvertedPendulum(const InvertedPendulumOptions& options) {
  return std::make_unique<InvertedPendulum>(options);
}

std::unique_ptr<Env> MakeInvertedDoublePendulum(const InvertedDoublePendulumOptions& options) {
  return std::make_unique<InvertedDoublePendulum>(options);
}

}  // namespace v2r::gym
