// Humanoid and HumanoidStandup: one body, one observation, two aims.
#include <cmath>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

constexpr int kFree = 6;  // velocities of the free joint of the torso

class HumanoidBase : public GymEnv {
 protected:
  HumanoidBase(const char* xml, int64_t frame_skip, bool exclude_positions, double noise,
               const HumanoidParts& parts, std::vector<InfoField> info)
      : GymEnv(xml, frame_skip, "track", std::move(info), exclude_positions ? 2 : 0),
        noise_(noise),
        parts_(parts) {
    reads_forces_ = true;
  }

  static double ControlCost(Sim sim, double weight) {
    return weight * SquaredNorm(sim.data->ctrl, sim.model->nu);
  }
  static double ContactCost(Sim sim, double weight, const Range& range) {
    return range.Clip(weight * SquaredNorm(sim.data->cfrc_ext, 6 * sim.model->nbody));
  }

 private:
  int LookUp(const mjModel* model) override {
    const int bodies = model->nbody - 1;  // the world is not observed
    return GymEnv::LookUp(model) + (parts_.include_cinert_in_observation ? 10 * bodies : 0) +
           (parts_.include_cvel_in_observation ? 6 * bodies : 0) +
           (parts_.include_qfrc_actuator_in_observation ? model->nv - kFree : 0) +
           (parts_.include_cfrc_ext_in_observation ? 6 * bodies : 0);
  }
  void Draw(Sim sim, Rng& rng) const override {
    AddUniform(sim.data->qpos, sim.model->nq, noise_, rng);
    AddUniform(sim.data->qvel, sim.model->nv, noise_, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    const mjModel* m = sim.model;
    const mjData* d = sim.data;
    const int bodies = m->nbody - 1;
    GymEnv::Observe(sim, row);
    if (parts_.include_cinert_in_observation) row.Put(d->cinert + 10, 10 * bodies);
    if (parts_.include_cvel_in_observation) row.Put(d->cvel + 6, 6 * bodies);
    if (parts_.include_qfrc_actuator_in_observation) {
      row.Put(d->qfrc_actuator + kFree, m->nv - kFree);
    }
    if (parts_.include_cfrc_ext_in_observation) row.Put(d->cfrc_ext + 6, 6 * bodies);
  }

  double noise_;
  HumanoidParts parts_;
};

class Humanoid : public HumanoidBase {
 public:
  explicit Humanoid(const HumanoidOptions& options)
      : HumanoidBase("humanoid.xml", options.frame_skip,
                     options.exclude_current_positions_from_observation, options.reset_noise_scale,
                     options.parts,
                     {{"x_position"},
                      {"y_position"},
                      {"tendon_length", 2},
                      {"tendon_velocity", 2},
                      {"distance_from_origin"},
                      {"x_velocity"},
                      {"y_velocity"},
                      {"reward_survive"},
                      {"reward_forward"},
                      {"reward_ctrl"},
                      {"reward_contact"}}),
        options_(options),
        z_(options.healthy_z_range, "healthy_z_range"),
        contact_(options.contact_cost_range, "contact_cost_range") {}

 private:
  Outcome Judge(Sim sim, std::span<const float>, InfoRow& info) const override {
    const mjtNum* q = sim.data->qpos;
    const bool healthy = z_.Inside(q[2]);
    const double forward = options_.forward_reward_weight * Velocity(sim, 0);
    const double survive = healthy ? options_.healthy_reward : 0;
    const double ctrl_cost = ControlCost(sim, options_.ctrl_cost_weight);
    const double contact_cost = ContactCost(sim, options_.contact_cost_weight, contact_);
    info.Put(q, 2);
    info.Put(sim.data->ten_length, 2);
    info.Put(sim.data->ten_velocity, 2);
    info.Put(std::hypot(q[0], q[1]));
    info.Put(Velocity(sim, 0));
    info.Put(Velocity(sim, 1));
    info.Put(survive);
    info.Put(forward);
    info.Put(-ctrl_cost);
    info.Put(-contact_cost);
    return {forward + survive - (ctrl_cost + contact_cost),
            !healthy && options_.terminate_when_unhealthy};
  }
  // The centre of mass.
  Place Where(Sim sim) const override {
    double x = 0, y = 0, mass = 0;
    for (int b = 0; b < sim.model->nbody; ++b) {
      x += sim.model->body_mass[b] * sim.data->xipos[3 * b];
      y += sim.model->body_mass[b] * sim.data->xipos[3 * b + 1];
      mass += sim.model->body_mass[b];
    }
    return {x / mass, y / mass};
  }

  HumanoidOptions options_;
  Range z_, contact_;
};

class HumanoidStandup : public HumanoidBase {
 public:
  explicit HumanoidStandup(const HumanoidStandupOptions& options)
      : HumanoidBase("humanoidstandup.xml", options.frame_skip,
                     options.exclude_current_positions_from_observation, options.reset_noise_scale,
                     options.parts,
                     {{"x_position"},
                      {"y_position"},
                      {"z_distance_from_origin"},
                      {"tendon_length", 2},
                      {"tendon_velocity", 2},
                      {"reward_linup"},
                      {"reward_quadctrl"},
                      {"reward_impact"}}),
        options_(options),
        impact_(options.impact_cost_range, "impact_cost_range") {}

 private:
  // Height by the timestep of the simulation, not of the step. Gymnasium says that uph_cost_weight
  // weighs it and leaves the weight out (1.4.0); here it does what is said.
  Outcome Judge(Sim sim, std::span<const float>, InfoRow& info) const override {
    const mjtNum* q = sim.data->qpos;
    const double up = options_.uph_cost_weight * (q[2] / sim.model->opt.timestep);
    const double ctrl_cost = ControlCost(sim, options_.ctrl_cost_weight);
    const double impact_cost = ContactCost(sim, options_.impact_cost_weight, impact_);
    info.Put(q, 2);
    info.Put(q[2] - sim.model->qpos0[2]);
    info.Put(sim.data->ten_length, 2);
    info.Put(sim.data->ten_velocity, 2);
    info.Put(up);
    info.Put(-ctrl_cost);
    info.Put(-impact_cost);
    return {up - ctrl_cost - impact_cost + 1, false};
  }

  HumanoidStandupOptions options_;
  Range impact_;
};

}  // namespace

std::unique_ptr<Env> MakeHumanoid(const HumanoidOptions& options) {
  return std::make_unique<Humanoid>(options);
}

std::unique_ptr<Env> MakeHumanoidStandup(const HumanoidStandupOptions& options) {
  return std::make_unique<HumanoidStandup>(options);
}

}  // namespace v2r::gym
