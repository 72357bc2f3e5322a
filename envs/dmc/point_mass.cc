#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"

namespace v2r::dmc {
namespace {

class PointMass : public SuiteEnv {
 public:
  PointMass() : SuiteEnv("point_mass", 4, 2, 0.02, "fixed") {}
  double TrueDistance(Sim sim) const override {
    const mjtNum* geoms = sim.data->geom_xpos;
    return mju_dist3(geoms + 3 * target_, geoms + 3 * mass_);
  }

 private:
  void LookUp(mjModel* model) override {
    mass_ = RequireId(model, mjOBJ_GEOM, "pointmass");
    target_ = RequireId(model, mjOBJ_GEOM, "target");
    const double radius = model->geom_size[3 * target_];
    near_ = {.upper = radius, .margin = radius};
  }
  void Draw(Sim sim, Rng& rng) override { RandomizeJoints(sim, rng); }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos, 2);
    row.Put(sim.data->qvel, 2);
  }
  double Reward(Sim sim) const override {
    return Tolerance(TrueDistance(sim), near_) * SmallControl(sim);
  }
  bool Success(Sim sim) const override { return near_.Holds(TrueDistance(sim)); }

  int mass_ = -1, target_ = -1;
  Zone near_;
};

}  // namespace

std::unique_ptr<Env> MakePointMass() { return std::make_unique<PointMass>(); }

}  // namespace v2r::dmc
