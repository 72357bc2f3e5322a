#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"
#include "envs/expert.h"

namespace v2r::dmc {
namespace {

class Reacher : public SuiteEnv {
 public:
  explicit Reacher(double target_radius)
      : SuiteEnv("reacher", 6, 2, 0.02, "fixed"), target_radius_(target_radius) {
    spec_.own_model = true;
  }
  double TrueDistance(Sim sim) const override { return Norm(ToTarget(sim)); }

 private:
  void LookUp(mjModel* model) override {
    finger_ = RequireId(model, mjOBJ_GEOM, "finger");
    target_ = RequireId(model, mjOBJ_GEOM, "target");
    target_pos_ = model->geom_pos + 3 * target_;
    target_size_ = model->geom_size + 3 * target_;
    arrays_.Add(model->geom_pos, 3 * static_cast<int>(model->ngeom));
    arrays_.Add(model->geom_size, 3 * static_cast<int>(model->ngeom));
  }
  void Draw(Sim sim, Rng& rng) override {
    RandomizeJoints(sim, rng);
    const double angle = rng.Uniform(0, 2 * kPi), radius = rng.Uniform(0.05, 0.20);
    target_pos_[0] = radius * std::sin(angle);
    target_pos_[1] = radius * std::cos(angle);
    target_size_[0] = target_radius_;
  }
  void Observe(Sim sim, ObsRow& row) const override {
    const Vec2 to_target = ToTarget(sim);
    row.Put(sim.data->qpos, 2);
    row.Put(to_target.x);
    row.Put(to_target.y);
    row.Put(sim.data->qvel, 2);
  }
  double Reward(Sim sim) const override { return Touches(sim) ? 1 : 0; }
  bool Success(Sim sim) const override { return Touches(sim); }

  Vec2 ToTarget(Sim sim) const {
    const mjtNum* target = sim.data->geom_xpos + 3 * target_;
    const mjtNum* finger = sim.data->geom_xpos + 3 * finger_;
    return {target[0] - finger[0], target[1] - finger[1]};
  }
  bool Touches(Sim sim) const {
    return Norm(ToTarget(sim)) <= target_size_[0] + sim.model->geom_size[3 * finger_];
  }

  double target_radius_;
  int finger_ = -1, target_ = -1;
  mjtNum *target_pos_ = nullptr, *target_size_ = nullptr;  // in the model
};

}  // namespace

std::unique_ptr<Env> MakeReacher(bool hard) {
  return std::make_unique<Reacher>(hard ? 0.015 : 0.05);
}

}  // namespace v2r::dmc
