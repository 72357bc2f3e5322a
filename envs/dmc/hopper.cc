#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"

namespace v2r::dmc {
namespace {

constexpr Zone kHigh{.lower = 0.6, .upper = 2};  // torso above foot, m
constexpr Zone kFast{.lower = 2,                 // m/s
                     .upper = kInfinity,
                     .margin = 1,
                     .sigmoid = Sigmoid::kLinear,
                     .value_at_margin = 0.5};

class Hopper : public SuiteEnv {
 public:
  explicit Hopper(bool hop) : SuiteEnv("hopper", 15, 4, 0.02, "cam0"), hop_(hop) {}

 private:
  void LookUp(mjModel* model) override {
    torso_ = RequireId(model, mjOBJ_BODY, "torso");
    foot_ = RequireId(model, mjOBJ_BODY, "foot");
    velocity_ = SensorAddress(model, "torso_subtreelinvel");
    toe_ = SensorAddress(model, "touch_toe");
    heel_ = SensorAddress(model, "touch_heel");
  }
  void Draw(Sim sim, Rng& rng) override { RandomizeJoints(sim, rng); }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos + 1, 6);
    row.Put(sim.data->qvel, 7);
    row.Put(std::log1p(sim.data->sensordata[toe_]));
    row.Put(std::log1p(sim.data->sensordata[heel_]));
  }
  double Reward(Sim sim) const override {
    const double standing = Tolerance(Height(sim), kHigh);
    return standing * (hop_ ? Tolerance(Speed(sim), kFast) : SmallControl(sim));
  }
  bool Success(Sim sim) const override {
    return kHigh.Holds(Height(sim)) && (!hop_ || kFast.Holds(Speed(sim)));
  }
  double Height(Sim sim) const {  // between the centres of mass of the two bodies
    return sim.data->xipos[3 * torso_ + 2] - sim.data->xipos[3 * foot_ + 2];
  }
  double Speed(Sim sim) const { return sim.data->sensordata[velocity_]; }

  bool hop_;
  int torso_ = -1, foot_ = -1, velocity_ = -1, toe_ = -1, heel_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeHopper(bool hop) { return std::make_unique<Hopper>(hop); }

}  // namespace v2r::dmc
