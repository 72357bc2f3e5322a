#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"
#include "envs/expert.h"

namespace v2r::dmc {
namespace {

class BallInCup : public SuiteEnv {
 public:
  BallInCup() : SuiteEnv("ball_in_cup", 8, 2, 0.02, "cam0") {}
  double TrueDistance(Sim sim) const override { return Norm(ToTarget(sim)); }

 private:
  void LookUp(mjModel* model) override {
    ball_ = RequireId(model, mjOBJ_BODY, "ball");
    ball_geom_ = RequireId(model, mjOBJ_GEOM, "ball");
    target_ = RequireId(model, mjOBJ_SITE, "target");
    ball_q_[0] = model->jnt_qposadr[RequireId(model, mjOBJ_JOINT, "ball_x")];
    ball_q_[1] = model->jnt_qposadr[RequireId(model, mjOBJ_JOINT, "ball_z")];
  }
  void Draw(Sim sim, Rng& rng) override {
    DrawUntilFree(sim, [&] {
      sim.data->qpos[ball_q_[0]] = rng.Uniform(-0.2, 0.2);
      sim.data->qpos[ball_q_[1]] = rng.Uniform(0.2, 0.5);
    });
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos, 4);
    row.Put(sim.data->qvel, 4);
  }
  double Reward(Sim sim) const override { return Success(sim) ? 1 : 0; }
  // The whole ball within the box of the target.
  bool Success(Sim sim) const override {
    const Vec2 off = ToTarget(sim);
    const mjtNum* box = sim.model->site_size + 3 * target_;
    const double radius = sim.model->geom_size[3 * ball_geom_];
    return std::abs(off.x) < box[0] - radius && std::abs(off.y) < box[2] - radius;
  }
  Vec2 ToTarget(Sim sim) const {  // x, z
    const mjtNum* target = sim.data->site_xpos + 3 * target_;
    const mjtNum* ball = sim.data->xpos + 3 * ball_;
    return {target[0] - ball[0], target[2] - ball[2]};
  }

  int ball_ = -1, ball_geom_ = -1, target_ = -1;
  int ball_q_[2] = {};
};

}  // namespace

std::unique_ptr<Env> MakeBallInCup() { return std::make_unique<BallInCup>(); }

}  // namespace v2r::dmc
