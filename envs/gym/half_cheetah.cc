#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class HalfCheetah : public GymEnv {
 public:
  explicit HalfCheetah(const RunOptions& options)
      : GymEnv("half_cheetah.xml", options.frame_skip, "track",
               {{"x_position"}, {"x_velocity"}, {"reward_forward"}, {"reward_ctrl"}},
               options.exclude_current_positions_from_observation ? 1 : 0),
        options_(options) {}

 private:
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddNormal(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const double velocity = Velocity(sim, 0);
    const double forward = options_.forward_reward_weight * velocity;
    const double cost = ControlCost(action, options_.ctrl_cost_weight);
    info.Put(sim.data->qpos[0]);
    info.Put(velocity);
    info.Put(forward);
    info.Put(-cost);
    return {forward - cost, false};
  }

  RunOptions options_;
};

}  // namespace

std::unique_ptr<Env> MakeHalfCheetah(const RunOptions& options) {
  return std::make_unique<HalfCheetah>(options);
}

}  // namespace v2r::gym
