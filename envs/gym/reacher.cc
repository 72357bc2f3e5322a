#include <cmath>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class Reacher : public GymEnv {
 public:
  explicit Reacher(const ReacherOptions& options)
      : GymEnv("reacher.xml", options.frame_skip, "", {{"reward_dist"}, {"reward_ctrl"}}),
        options_(options) {
    spec_.max_episode_steps = 50;
    spec_.view = {.lookat = {0, 0, 0}, .distance = 0.9, .elevation = -90};  // all of the arena
  }

 private:
  int LookUp(const mjModel* model) override {
    tip_ = RequireId(model, mjOBJ_BODY, "fingertip");
    target_ = RequireId(model, mjOBJ_BODY, "target");
    for (const char* geom : {"fingertip", "target"}) {
      touch_ += model->geom_size[3 * RequireId(model, mjOBJ_GEOM, geom)];
    }
    return 10;
  }
  void Draw(Sim sim, Rng& rng) const override {
    mjtNum* q = sim.data->qpos;
    AddUniform(q, 2, 0.1, rng);
    do {
      q[2] = rng.Uniform(-0.2, 0.2);
      q[3] = rng.Uniform(-0.2, 0.2);
    } while (std::hypot(q[2], q[3]) >= 0.2);
    AddUniform(sim.data->qvel, 2, 0.005, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    const mjtNum* q = sim.data->qpos;
    for (int k = 0; k < 2; ++k) row.Put(std::cos(q[k]));
    for (int k = 0; k < 2; ++k) row.Put(std::sin(q[k]));
    row.Put(q + 2, 2);
    row.Put(sim.data->qvel, 2);
    const mjtNum *tip = sim.data->xpos + 3 * tip_, *target = sim.data->xpos + 3 * target_;
    for (int k = 0; k < 2; ++k) row.Put(tip[k] - target[k]);
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const double dist = -Distance(sim) * options_.reward_dist_weight;
    const double ctrl = -ControlCost(action, options_.reward_control_weight);
    info.Put(dist);
    info.Put(ctrl);
    return {dist + ctrl, false};
  }
  double Distance(Sim sim) const override {
    return mju_dist3(sim.data->xpos + 3 * tip_, sim.data->xpos + 3 * target_);
  }
  bool Success(Sim sim) const override { return Distance(sim) < touch_; }

  ReacherOptions options_;
  int tip_ = -1, target_ = -1;
  double touch_ = 0;  // m, sum of the radii
};

}  // namespace

std::unique_ptr<Env> MakeReacher(const ReacherOptions& options) {
  return std::make_unique<Reacher>(options);
}

}  // namespace v2r::gym
