#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"
#include "envs/expert.h"

namespace v2r::dmc {
namespace {

constexpr Zone kMiddle{.lower = -0.25, .upper = 0.25};  // of the cart, m
constexpr Zone kUpright{.lower = 0.995, .upper = 1};    // cosine of the pole's angle

class Cartpole : public SuiteEnv {
 public:
  Cartpole(bool swingup, bool sparse)
      : SuiteEnv("cartpole", 5, 1, 0.01, "fixed"), swingup_(swingup), sparse_(sparse) {}

 private:
  void LookUp(mjModel* model) override { pole_ = RequireId(model, mjOBJ_BODY, "pole_1"); }
  void Draw(Sim sim, Rng& rng) override {
    double* q = sim.data->qpos;  // cart, pole
    if (swingup_) {
      q[0] = 0.01 * rng.Normal();
      q[1] = kPi + 0.01 * rng.Normal();
    } else {
      q[0] = rng.Uniform(-0.1, 0.1);
      q[1] = rng.Uniform(-0.034, 0.034);
    }
    for (int k = 0; k < 2; ++k) sim.data->qvel[k] = 0.01 * rng.Normal();
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos[0]);
    row.Put(Axis(sim, pole_, 2, 2));
    row.Put(Axis(sim, pole_, 0, 2));
    row.Put(sim.data->qvel, 2);
  }
  double Reward(Sim sim) const override {
    if (sparse_) return Success(sim) ? 1 : 0;
    const double upright = (Axis(sim, pole_, 2, 2) + 1) / 2;
    const double centered = (1 + Tolerance(sim.data->qpos[0], {.margin = 2})) / 2;
    const double slow = (1 + Tolerance(sim.data->qvel[1], {.margin = 5})) / 2;
    return upright * SmallControl(sim) * slow * centered;
  }
  bool Success(Sim sim) const override {
    return kMiddle.Holds(sim.data->qpos[0]) && kUpright.Holds(Axis(sim, pole_, 2, 2));
  }

  bool swingup_, sparse_;
  int pole_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeCartpole(bool swingup, bool sparse) {
  return std::make_unique<Cartpole>(swingup, sparse);
}

}  // namespace v2r::dmc
