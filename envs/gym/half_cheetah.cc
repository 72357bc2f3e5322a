#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class HalfCheetah : public GymEnv {
 public:
  explicit HalfCheetah(const RunOptions& options)
      : GymEnv("half_cheetah.xml", options.frame_skip, "track",
               {{"x_position"}, {"x_velocity"}, {"reward_forward"}, {"reward_ctrl"}}),
        options_(options),
        skipped_(options.exclude_current_positions_from_observation ? 1 : 0) {}

 private:
  int LookUp(const mjModel* model) override { return model->nq - skipped_ + model->nv; }
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddNormal(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos + skipped_, sim.model->nq - skipped_);
    row.Put(sim.data->qvel, sim.model->nv);
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
  int skipped_;
};

}  // namespace

std::unique_ptr<Env> MakeHalfCheetah(const RunOptions& options) {
  return std::make_unique<HalfCheetah>(options);
}

}  // namespace v2r::gym
