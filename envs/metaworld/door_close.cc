// metaworld 3.1.1: envs/sawyer_door_close_v3.py.
#include <algorithm>

#include "envs/metaworld/sawyer_env.h"

namespace v2r::metaworld {
namespace {

constexpr double kSuccess = 0.08;  // m
constexpr double kClosed = 0.05;   // m, where the reward is full
constexpr double kOpen = -1.5708;  // rad
constexpr Vec3 kHandStart = {-0.5f, 0.6f, 0.2f};

class DoorClose : public SawyerEnv {
 public:
  explicit DoorClose(const SawyerOptions& options)
      : SawyerEnv(
            {.xml = "sawyer_door_pull",
             .view = {.lookat = {0, 0.68, 0.1}, .distance = 1.2, .azimuth = 150, .elevation = -55},
             .hand = kHandStart,
             .kind = mjOBJ_BODY,
             .thing = "door",
             .goal = {0.2, -0.2, 0},
             .random_low = {0, 0.85, 0.15},
             .random_high = {0.1, 0.95, 0.15},
             .goal_low = {0.2, 0.65, 0.1499},
             .goal_high = {0.3, 0.75, 0.1501}},
            options) {}
  double TrueDistance(Sim sim) const override { return Norm(Object(sim) - Goal(sim)); }

 private:
  void LookUp(const mjModel* model) override {
    handle_ = RequireId(model, mjOBJ_GEOM, "handle");
    hinge_ = RequireId(model, mjOBJ_JOINT, "doorjoint");
  }
  void Settle(Sim sim, std::span<const double>) override {
    sim.data->qpos[sim.model->jnt_qposadr[hinge_]] = kOpen;
    sim.data->qvel[sim.model->jnt_dofadr[hinge_]] = 0;
    mj_forward(sim.model, sim.data);
    memory_.way = Across(Object(sim) - Goal(sim));
  }
  Vec3 Object(Sim sim) const override { return At(sim.data->geom_xpos + 3 * handle_); }
  Quat Orientation(Sim sim) const override {
    return QuatOfMatrix(sim.data->geom_xmat + 9 * handle_);
  }

  Outcome JudgeV2(Sim sim) const override {
    const Vec3 goal = Goal(sim), handle = Object(sim);
    const double left = TrueDistance(sim);
    const double in_place =
        Near(left, kClosed, Norm(memory_.thing - goal), dmc::Sigmoid::kGaussian);
    const double hand = Near(Norm(Tip(sim) - goal), 0.25 * kClosed, Norm(kHandStart - handle) + 0.1,
                             dmc::Sigmoid::kGaussian);
    return Told(left < kClosed ? 10 : 3 * hand + 6 * in_place, left, hand);
  }
  Outcome JudgeV1(Sim sim) const override {
    const double left = Across(Object(sim) - Goal(sim)), gap = Norm(Object(sim) - Tip(sim));
    const double push = gap < 0.05 ? std::max(Progress(memory_.way, left), 0.0) : 0;
    return Told(push - gap, left, 0);
  }
  static Outcome Told(double reward, double left, double in_place) {
    return {reward, left <= kSuccess, 0, 1, 1, in_place, left};
  }

  double DrawMiss(Rng& rng) const override { return rng.Uniform(0.105, 0.133); }
  // Closed fingers behind the handle, then along its arc.
  Move Lead(Sim sim, bool miss) const override {
    const Vec3 handle = Object(sim), tip = Tip(sim), mocap = Mocap(sim);
    const Vec3 hinge = At(sim.data->xanchor + 3 * hinge_);
    const Vec3 arm = {handle.x - hinge.x, handle.y - hinge.y, 0};
    const Vec3 ahead = (1 / Across(arm)) * Vec3{-arm.y, arm.x, 0};  // closing
    const Vec3 behind = handle - 0.06 * ahead - tip;
    if (Norm(behind) > 0.05) return {mocap + 0.15 * behind, 1};
    const double left = TrueDistance(sim) - (miss ? memory_.miss : 0.03);
    if (left < 0) return {mocap, 1};
    return {mocap + 0.1 * behind + (miss ? std::min(0.08 * left, 0.01) : 0.01) * ahead, 1};
  }

  int handle_ = -1, hinge_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeDoorClose(const SawyerOptions& options) {
  return std::make_unique<DoorClose>(options);
}

}  // namespace v2r::metaworld
