#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"
#include "envs/expert.h"

namespace v2r::dmc {
namespace {

class Pendulum : public SuiteEnv {
 public:
  Pendulum() : SuiteEnv("pendulum", 3, 1, 0.02, "fixed") {}

 private:
  void LookUp(mjModel* model) override { pole_ = RequireId(model, mjOBJ_BODY, "pole"); }
  void Draw(Sim sim, Rng& rng) override { sim.data->qpos[0] = rng.Uniform(-kPi, kPi); }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(Axis(sim, pole_, 2, 2));
    row.Put(Axis(sim, pole_, 0, 2));
    row.Put(sim.data->qvel[0]);
  }
  double Reward(Sim sim) const override { return Success(sim) ? 1 : 0; }
  bool Success(Sim sim) const override { return upright_.Holds(Axis(sim, pole_, 2, 2)); }

  const Zone upright_{.lower = std::cos(8 * kPi / 180), .upper = 1};  // cosine of the angle
  int pole_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakePendulum() { return std::make_unique<Pendulum>(); }

}  // namespace v2r::dmc
