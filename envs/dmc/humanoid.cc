#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"

namespace v2r::dmc {
namespace {

constexpr Zone kHigh{.lower = 1.4, .upper = kInfinity, .margin = 0.35};  // head, m
constexpr Zone kUpright{.lower = 0.9,                                    // z of the torso's z axis
                        .upper = kInfinity,
                        .margin = 1.9,
                        .sigmoid = Sigmoid::kLinear,
                        .value_at_margin = 0};
constexpr Zone kStill{.margin = 2};  // m/s

class Humanoid : public SuiteEnv {
 public:
  explicit Humanoid(double speed)
      : SuiteEnv("humanoid", 67, 21, 0.025, "side"),
        stand_(speed == 0),
        fast_{.lower = speed,
              .upper = kInfinity,
              .margin = speed,
              .sigmoid = Sigmoid::kLinear,
              .value_at_margin = 0} {}

 private:
  void LookUp(mjModel* model) override {
    torso_ = RequireId(model, mjOBJ_BODY, "torso");
    head_ = RequireId(model, mjOBJ_BODY, "head");
    const char* const limbs[] = {"left_hand", "left_foot", "right_hand", "right_foot"};
    for (int k = 0; k < 4; ++k) limbs_[k] = RequireId(model, mjOBJ_BODY, limbs[k]);
    velocity_ = SensorAddress(model, "torso_subtreelinvel");
  }
  void Draw(Sim sim, Rng& rng) override {
    DrawUntilFree(sim, [&] { RandomizeJoints(sim, rng); });
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos + 7, 21);
    row.Put(HeadHeight(sim));
    for (const int limb : limbs_) {
      mjtNum offset[3], local[3];
      mju_sub3(offset, sim.data->xpos + 3 * limb, sim.data->xpos + 3 * torso_);
      mju_mulMatTVec3(local, sim.data->xmat + 9 * torso_, offset);
      row.Put(local, 3);
    }
    row.Put(sim.data->xmat + 9 * torso_ + 6, 3);
    row.Put(Velocity(sim), 3);
    row.Put(sim.data->qvel, 27);
  }
  double Reward(Sim sim) const override {
    const double stand =
        Tolerance(HeadHeight(sim), kHigh) * Tolerance(Axis(sim, torso_, 2, 2), kUpright);
    const mjtNum* v = Velocity(sim);
    const double move = stand_ ? (Tolerance(v[0], kStill) + Tolerance(v[1], kStill)) / 2
                               : (5 * Tolerance(Speed(sim), fast_) + 1) / 6;
    return SmallControl(sim) * stand * move;
  }
  bool Success(Sim sim) const override {
    return kHigh.Holds(HeadHeight(sim)) && kUpright.Holds(Axis(sim, torso_, 2, 2)) &&
           (stand_ || fast_.Holds(Speed(sim)));
  }
  double HeadHeight(Sim sim) const { return sim.data->xpos[3 * head_ + 2]; }
  const mjtNum* Velocity(Sim sim) const { return sim.data->sensordata + velocity_; }
  double Speed(Sim sim) const { return std::hypot(Velocity(sim)[0], Velocity(sim)[1]); }

  bool stand_;
  Zone fast_;
  int torso_ = -1, head_ = -1, velocity_ = -1;
  int limbs_[4] = {};
};

}  // namespace

std::unique_ptr<Env> MakeHumanoid(double speed) { return std::make_unique<Humanoid>(speed); }

}  // namespace v2r::dmc
