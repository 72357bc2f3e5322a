#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"

namespace v2r::dmc {
namespace {

constexpr Zone kFast{.lower = 10,  // m/s
                     .upper = kInfinity,
                     .margin = 10,
                     .sigmoid = Sigmoid::kLinear,
                     .value_at_margin = 0};
constexpr int kSettle = 200;  // substeps

class Cheetah : public SuiteEnv {
 public:
  Cheetah() : SuiteEnv("cheetah", 17, 6, 0.01, "side") {}

 private:
  void LookUp(mjModel* model) override { velocity_ = SensorAddress(model, "torso_subtreelinvel"); }
  // The limited joints are drawn, then the body falls to the ground and settles. As in dm_control
  // the first of those substeps still has the position quantities of the undisturbed pose.
  void Draw(Sim sim, Rng& rng) override {
    const mjModel* m = sim.model;
    mj_forward(m, sim.data);
    for (int j = 0; j < m->njnt; ++j) {
      if (!m->jnt_limited[j]) continue;
      sim.data->qpos[m->jnt_qposadr[j]] = rng.Uniform(m->jnt_range[2 * j], m->jnt_range[2 * j + 1]);
    }
    Advance(sim, kSettle);
    sim.data->time = 0;
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos + 1, 8);
    row.Put(sim.data->qvel, 9);
  }
  double Reward(Sim sim) const override { return Tolerance(Speed(sim), kFast); }
  bool Success(Sim sim) const override { return kFast.Holds(Speed(sim)); }
  double Speed(Sim sim) const { return sim.data->sensordata[velocity_]; }

  int velocity_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeCheetah() { return std::make_unique<Cheetah>(); }

}  // namespace v2r::dmc
