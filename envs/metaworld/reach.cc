// metaworld 3.1.1: envs/sawyer_reach_v3.py.
#include <algorithm>

#include "envs/metaworld/sawyer_env.h"

namespace v2r::metaworld {
namespace {

constexpr double kRadius = 0.05;  // m, of success
constexpr Vec3 kHandStart = {0, 0.6, 0.2};

class Reach : public SawyerEnv {
 public:
  explicit Reach(const SawyerOptions& options)
      : SawyerEnv(
            {.xml = "sawyer_reach_v3",
             .view = {.lookat = {0, 0.72, 0.14}, .distance = 1, .azimuth = 150, .elevation = -30},
             .hand = kHandStart,
             .kind = mjOBJ_SITE,
             .thing = "goal",
             .goal = {},
             .random_low = {-0.1, 0.6, 0.02, -0.1, 0.8, 0.05},
             .random_high = {0.1, 0.7, 0.02, 0.1, 0.9, 0.3},
             .goal_low = {-0.1, 0.8, 0.05},
             .goal_high = {0.1, 0.9, 0.3}},
            options) {}
  double TrueDistance(Sim sim) const override { return Norm(Tip(sim) - Goal(sim)); }

 private:
  void LookUp(const mjModel* model) override {
    puck_ = RequireId(model, mjOBJ_BODY, "obj");
    puck_geom_ = RequireId(model, mjOBJ_GEOM, "objGeom");
    const int joint = model->body_jntadr[puck_];
    position_ = model->jnt_qposadr[joint];
    speed_ = model->jnt_dofadr[joint];
  }
  bool Refused(std::span<const double> v) const override {
    return std::hypot(v[0] - v[3], v[1] - v[4]) < 0.15;
  }
  void Settle(Sim sim, std::span<const double> v) override {
    std::copy_n(v.begin(), 3, sim.data->qpos + position_);
    std::fill_n(sim.data->qvel + speed_, 6, 0.0);
    mj_forward(sim.model, sim.data);
  }
  Vec3 Object(Sim sim) const override { return At(sim.data->xpos + 3 * puck_); }
  Quat Orientation(Sim sim) const override {
    return QuatOfMatrix(sim.data->geom_xmat + 9 * puck_geom_);
  }

  static Outcome Told(double reward, double left, double in_place) {
    return {reward, left <= kRadius, left, 1, left, in_place, left};
  }
  Outcome JudgeV2(Sim sim) const override {
    const double left = TrueDistance(sim);
    const double in_place = Near(left, kRadius, Norm(kHandStart - Goal(sim)));
    return Told(10 * in_place, left, in_place);
  }
  Outcome JudgeV1(Sim sim) const override {
    const double left = TrueDistance(sim), way = Norm(memory_.first_tip - Goal(sim));
    return Told(std::max(Progress(way, left), 0.0), left, 0);
  }

  double DrawMiss(Rng& rng) const override { return rng.Uniform(0.066, 0.082); }
  // The fingertips hang below the mocap body.
  Move Lead(Sim sim, bool miss) const override {
    const Vec3 to = miss ? Goal(sim) + memory_.miss * memory_.aside : Goal(sim);
    return {Mocap(sim) + 0.12 * (to - Tip(sim)), -1};
  }

  int puck_ = -1, puck_geom_ = -1, position_ = -1, speed_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeReach(const SawyerOptions& options) {
  return std::make_unique<Reach>(options);
}

}  // namespace v2r::metaworld
