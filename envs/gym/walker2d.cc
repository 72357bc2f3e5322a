// Hopper and Walker2d differ in their model and in what is healthy.
#include <algorithm>
#include <optional>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

constexpr double kFastest = 10;  // of an observed velocity, rad/s or m/s

class Walker2d : public GymEnv {
 public:
  Walker2d(const char* xml, const Walker2dOptions& options, std::optional<Range> state)
      : GymEnv(xml, options.frame_skip, "track",
               {{"x_position"},
                {"z_distance_from_origin"},
                {"x_velocity"},
                {"reward_forward"},
                {"reward_ctrl"},
                {"reward_survive"}},
               options.exclude_current_positions_from_observation ? 1 : 0),
        options_(options),
        z_(options.healthy_z_range, "healthy_z_range"),
        angle_(options.healthy_angle_range, "healthy_angle_range"),
        state_(state) {}

 private:
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddUniform(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos + skipped_, sim.model->nq - skipped_);
    for (int k = 0; k < sim.model->nv; ++k) {
      row.Put(std::clamp(sim.data->qvel[k], -kFastest, kFastest));
    }
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const bool healthy = Healthy(sim);
    const double forward = options_.forward_reward_weight * Velocity(sim, 0);
    const double survive = healthy ? options_.healthy_reward : 0;
    const double cost = ControlCost(action, options_.ctrl_cost_weight);
    info.Put(sim.data->qpos[0]);
    info.Put(sim.data->qpos[1] - sim.model->qpos0[1]);
    info.Put(Velocity(sim, 0));
    info.Put(forward);
    info.Put(-cost);
    info.Put(survive);
    return {forward + survive - cost, !healthy && options_.terminate_when_unhealthy};
  }
  bool Healthy(Sim sim) const {
    const mjtNum* q = sim.data->qpos;
    if (!z_.Inside(q[1]) || !angle_.Inside(q[2])) return false;
    const auto inside = [&](double x) { return !state_ || state_->Inside(x); };
    return std::all_of(q + 2, q + sim.model->nq, inside) &&
           std::all_of(sim.data->qvel, sim.data->qvel + sim.model->nv, inside);
  }

  Walker2dOptions options_;
  Range z_, angle_;
  std::optional<Range> state_;
};

}  // namespace

std::unique_ptr<Env> MakeHopper(const HopperOptions& options) {
  return std::make_unique<Walker2d>("hopper.xml", options,
                                    Range(options.healthy_state_range, "healthy_state_range"));
}

std::unique_ptr<Env> MakeWalker2d(const Walker2dOptions& options) {
  return std::make_unique<Walker2d>("walker2d_v5.xml", options, std::nullopt);
}

}  // namespace v2r::gym
