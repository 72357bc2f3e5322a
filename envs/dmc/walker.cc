#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"

namespace v2r::dmc {
namespace {

constexpr Zone kHigh{.lower = 1.2, .upper = kInfinity, .margin = 0.6};  // torso, m

class Walker : public SuiteEnv {
 public:
  explicit Walker(double speed)
      : SuiteEnv("walker", 24, 6, 0.025, "side"),
        stand_(speed == 0),
        fast_{.lower = speed,
              .upper = kInfinity,
              .margin = speed / 2,
              .sigmoid = Sigmoid::kLinear,
              .value_at_margin = 0.5} {}

 private:
  void LookUp(mjModel* model) override {
    torso_ = RequireId(model, mjOBJ_BODY, "torso");
    velocity_ = SensorAddress(model, "torso_subtreelinvel");
  }
  void Draw(Sim sim, Rng& rng) override { RandomizeJoints(sim, rng); }
  void Observe(Sim sim, ObsRow& row) const override {
    for (int body = 1; body < sim.model->nbody; ++body) {
      row.Put(Axis(sim, body, 0, 0));
      row.Put(Axis(sim, body, 0, 2));
    }
    row.Put(Height(sim));
    row.Put(sim.data->qvel, 9);
  }
  double Reward(Sim sim) const override {
    const double upright = (1 + Axis(sim, torso_, 2, 2)) / 2;
    const double stand = (3 * Tolerance(Height(sim), kHigh) + upright) / 4;
    return stand_ ? stand : stand * (5 * Tolerance(Speed(sim), fast_) + 1) / 6;
  }
  bool Success(Sim sim) const override {
    return kHigh.Holds(Height(sim)) && (stand_ || fast_.Holds(Speed(sim)));
  }
  double Height(Sim sim) const { return sim.data->xpos[3 * torso_ + 2]; }
  double Speed(Sim sim) const { return sim.data->sensordata[velocity_]; }

  bool stand_;
  Zone fast_;
  int torso_ = -1, velocity_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeWalker(double speed) { return std::make_unique<Walker>(speed); }

}  // namespace v2r::dmc
