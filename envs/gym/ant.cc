#include <charconv>
#include <cmath>

#include "core/error.h"
#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

class Ant : public GymEnv {
 public:
  explicit Ant(const AntOptions& options)
      : GymEnv("ant.xml", options.frame_skip, "track",
               {{"x_position"},
                {"y_position"},
                {"distance_from_origin"},
                {"x_velocity"},
                {"y_velocity"},
                {"reward_forward"},
                {"reward_ctrl"},
                {"reward_contact"},
                {"reward_survive"}},
               options.exclude_current_positions_from_observation ? 2 : 0),
        options_(options),
        z_(options.healthy_z_range, "healthy_z_range"),
        force_(options.contact_force_range, "contact_force_range") {
    reads_forces_ = true;
  }

 private:
  int LookUp(const mjModel* model) override {
    body_ = MainBody(model);
    const int forces = options_.include_cfrc_ext_in_observation ? 6 * (model->nbody - 1) : 0;
    return GymEnv::LookUp(model) + forces;
  }
  int MainBody(const mjModel* model) const {
    const std::string& text = options_.main_body;
    int id = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) {
      id = mj_name2id(model, mjOBJ_BODY, text.c_str());
    }
    if (id < 0 || id >= model->nbody) {
      ThrowUser("env.task.main_body: the model has no body '{}' (numbers go from 0 to {})", text,
                model->nbody - 1);
    }
    return id;
  }
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, options_.reset_noise_scale, rng);
    AddNormal(sim.data->qvel, sim.model->nv, options_.reset_noise_scale, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    GymEnv::Observe(sim, row);
    if (!options_.include_cfrc_ext_in_observation) return;
    for (int k = 6; k < 6 * sim.model->nbody; ++k) row.Put(force_.Clip(sim.data->cfrc_ext[k]));
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const bool healthy = Healthy(sim);
    const double forward = options_.forward_reward_weight * Velocity(sim, 0);
    const double survive = healthy ? options_.healthy_reward : 0;
    const double ctrl_cost = ControlCost(action, options_.ctrl_cost_weight);
    double forces = 0;  // the world's too
    for (int k = 0; k < 6 * sim.model->nbody; ++k) {
      const double force = force_.Clip(sim.data->cfrc_ext[k]);
      forces += force * force;
    }
    const double contact_cost = options_.contact_cost_weight * forces;
    const mjtNum* q = sim.data->qpos;
    info.Put(q, 2);
    info.Put(std::hypot(q[0], q[1]));
    info.Put(Velocity(sim, 0));
    info.Put(Velocity(sim, 1));
    info.Put(forward);
    info.Put(-ctrl_cost);
    info.Put(-contact_cost);
    info.Put(survive);
    return {forward + survive - (ctrl_cost + contact_cost),
            !healthy && options_.terminate_when_unhealthy};
  }
  // The bounds belong to the healthy heights here.
  bool Healthy(Sim sim) const {
    const double z = sim.data->qpos[2];
    const auto finite = [](const mjtNum* values, int count) {
      for (int k = 0; k < count; ++k) {
        if (!std::isfinite(values[k])) return false;
      }
      return true;
    };
    return z_.low <= z && z <= z_.high && finite(sim.data->qpos, sim.model->nq) &&
           finite(sim.data->qvel, sim.model->nv);
  }
  Place Where(Sim sim) const override {
    return {sim.data->xpos[3 * body_], sim.data->xpos[3 * body_ + 1]};
  }

  AntOptions options_;
  Range z_, force_;
  int body_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeAnt(const AntOptions& options) { return std::make_unique<Ant>(options); }

}  // namespace v2r::gym
