#include <cmath>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class Swimmer : public GymEnv {
 public:
  explicit Swimmer(const RunOptions& options)
      : GymEnv("swimmer.xml", options.frame_skip, "track",
               {{"x_position"},
                {"y_position"},
                {"distance_from_origin"},
                {"x_velocity"},
                {"y_velocity"},
                {"reward_forward"},
                {"reward_ctrl"}},
               options.exclude_current_positions_from_observation ? 2 : 0),
        options_(options) {}

 private:
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddUniform(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const double forward = options_.forward_reward_weight * Velocity(sim, 0);
    const double cost = ControlCost(action, options_.ctrl_cost_weight);
    const mjtNum* q = sim.data->qpos;
    info.Put(q, 2);
    info.Put(std::hypot(q[0], q[1]));
    info.Put(Velocity(sim, 0));
    info.Put(Velocity(sim, 1));
    info.Put(forward);
    info.Put(-cost);
    return {forward - cost, false};
  }

  RunOptions options_;
};

}  // namespace

std::unique_ptr<Env> MakeSwimmer(const RunOptions& options) {
  return std::make_unique<Swimmer>(options);
}

}  // namespace v2r::gym
