// metaworld 3.1.1: envs/sawyer_button_press_topdown_v3.py.
#include <algorithm>

#include "envs/metaworld/sawyer_env.h"

namespace v2r::metaworld {
namespace {

constexpr double kSuccess = 0.024;  // m

// utils/reward_utils.py: hamacher_product.
double HamacherProduct(double a, double b) {
  const double denominator = a + b - a * b;
  return denominator > 0 ? a * b / denominator : 0;
}

class ButtonPressTopdown : public SawyerEnv {
 public:
  explicit ButtonPressTopdown(const SawyerOptions& options)
      : SawyerEnv(
            {.xml = "sawyer_button_press_topdown",
             .view = {.lookat = {0, 0.7, 0.16}, .distance = 1, .azimuth = 150, .elevation = -30},
             .hand = {0, 0.4f, 0.2f},
             .kind = mjOBJ_BODY,
             .thing = "box",
             .goal = {},  // a site of the box
             .random_low = {-0.1, 0.8, 0.115},
             .random_high = {0.1, 0.9, 0.115},
             .goal_low = {-0.5, 0.40, 0.05},
             .goal_high = {0.5, 1, 0.5}},
            options) {}
  double TrueDistance(Sim sim) const override { return std::abs(Goal(sim).z - Object(sim).z); }

 private:
  void LookUp(const mjModel* model) override {
    button_ = RequireId(model, mjOBJ_BODY, "button");
    start_ = RequireId(model, mjOBJ_SITE, "buttonStart");
    hole_ = RequireId(model, mjOBJ_SITE, "hole");
  }
  void Settle(Sim sim, std::span<const double>) override { mj_forward(sim.model, sim.data); }
  Vec3 Goal(Sim sim) const override { return At(sim.data->site_xpos + 3 * hole_); }
  Vec3 Object(Sim sim) const override {
    return At(sim.data->xpos + 3 * button_) + Vec3{0, 0, 0.193};
  }
  Quat Orientation(Sim sim) const override {
    const mjtNum* q = sim.data->xquat + 4 * button_;  // w first
    return {q[0], q[1], q[2], q[3]};
  }
  double Way(Sim sim) const { return std::abs(sim.data->site_xpos[3 * start_ + 2] - Goal(sim).z); }

  Outcome JudgeV2(Sim sim) const override {
    const Vec3 button = Object(sim);
    const double left = TrueDistance(sim), gap = Norm(button - Tip(sim));
    const double near = Near(gap, 0.01, Norm(button - memory_.first_tip));
    const double pressed = Near(left, 0.005, Way(sim));
    const double reward = 5 * HamacherProduct(1 - SeenOpening(), near);
    return {.reward = gap <= 0.03 ? reward + 5 * pressed : reward,
            .success = left <= kSuccess,
            .near_object = gap <= 0.05 ? 1.0 : 0.0,
            .grasp_success = SeenOpening() > 0 ? 1.0 : 0.0,
            .grasp_reward = near,
            .in_place_reward = pressed,
            .obj_to_target = left};
  }
  Outcome JudgeV1(Sim sim) const override {
    const double left = TrueDistance(sim), gap = Norm(Object(sim) - Tip(sim));
    const double press = gap < 0.05 ? std::max(Progress(Way(sim), left), 0.0) : 0;
    return {.reward = press - gap,
            .success = left <= kSuccess,
            .near_object = 1,
            .obj_to_target = left};
  }

  double DrawMiss(Rng& rng) const override { return rng.Uniform(0.055, 0.075); }
  // Closed fingers above the button, then down: against the stop at the end.
  Move Lead(Sim sim, bool miss) const override {
    const Vec3 button = Object(sim), tip = Tip(sim), mocap = Mocap(sim);
    const Vec3 way = button - tip;
    const Vec3 across = {mocap.x + 0.2 * way.x, mocap.y + 0.2 * way.y, 0};
    if (Across(way) > (way.z < -0.03 ? 0.02 : 0.04)) {  // over it first
      const double height = button.z + 0.09;
      const bool rise = Across(way) < 0.15 && Hand(sim).z < height - 0.04;
      return {rise ? Vec3{mocap.x, mocap.y, height} : Vec3{across.x, across.y, height}, 1};
    }
    if (!miss) return {{across.x, across.y, Hand(sim).z - 0.12}, 1};
    const double left = TrueDistance(sim) - memory_.miss;
    const double down = tip.z > button.z + 0.01 ? -0.006 : -0.1 * left;
    return {{across.x, across.y, mocap.z + down}, 1};
  }

  int button_ = -1, start_ = -1, hole_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeButtonPressTopdown(const SawyerOptions& options) {
  return std::make_unique<ButtonPressTopdown>(options);
}

}  // namespace v2r::metaworld
