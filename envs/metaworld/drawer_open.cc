// metaworld 3.1.1: envs/sawyer_drawer_open_v3.py.
#include <algorithm>

#include "envs/metaworld/sawyer_env.h"

namespace v2r::metaworld {
namespace {

constexpr double kWay = 0.2;       // m, that the handle should come
constexpr double kSuccess = 0.03;  // m

class DrawerOpen : public SawyerEnv {
 public:
  explicit DrawerOpen(const SawyerOptions& options)
      : SawyerEnv(
            {.xml = "sawyer_drawer",
             .view = {.lookat = {0, 0.7, 0.12}, .distance = 1, .azimuth = 155, .elevation = -30},
             .hand = {0, 0.6f, 0.2f},
             .kind = mjOBJ_BODY,
             .thing = "drawer",
             .goal = {0, -0.16 - kWay, 0.09},
             .random_low = {-0.1, 0.9, 0},
             .random_high = {0.1, 0.9, 0},
             .goal_low = {-0.5, 0.40, 0.05},
             .goal_high = {0.5, 1, 0.5}},
            options) {}
  double TrueDistance(Sim sim) const override { return Norm(Object(sim) - Goal(sim)); }

 private:
  void LookUp(const mjModel* model) override {
    drawer_ = RequireId(model, mjOBJ_BODY, "drawer_link");
    slide_ = model->jnt_dofadr[model->body_jntadr[drawer_]];
  }
  void Settle(Sim, std::span<const double>) override {}  // the first observation is a substep old
  Vec3 Object(Sim sim) const override {
    return At(sim.data->xpos + 3 * drawer_) + Vec3{0, -0.16, 0};
  }
  Quat Orientation(Sim sim) const override {
    const mjtNum* q = sim.data->xquat + 4 * drawer_;  // w first
    return {q[0], q[1], q[2], q[3]};
  }

  Outcome JudgeV2(Sim sim) const override {
    const auto weigh = [](Vec3 a) { return Norm({3 * a.x, 3 * a.y, a.z}); };
    const Vec3 handle = Object(sim), first = Goal(sim) + Vec3{0, kWay, 0};
    const double left = TrueDistance(sim);
    const double opening = Near(left, 0.02, kWay);
    const double caging = Near(weigh(handle - SeenHand()), 0.01, weigh(first - memory_.first_tip));
    return {.reward = 5 * (caging + opening),
            .success = left <= kSuccess,
            .near_object = Norm(handle - SeenHand()) <= 0.03 ? 1.0 : 0.0,
            .grasp_success = SeenOpening() > 0 ? 1.0 : 0.0,
            .grasp_reward = caging,
            .in_place_reward = opening,
            .obj_to_target = left};
  }
  Outcome JudgeV1(Sim sim) const override {
    const double left = std::abs(Object(sim).y - Goal(sim).y);
    const double gap = Norm(Object(sim) - Tip(sim));
    const double pull = gap < 0.05 ? std::max(Progress(kWay, left), 0.0) : 0;
    return {
        .reward = pull - gap, .success = left <= kSuccess, .near_object = 1, .obj_to_target = left};
  }

  double DrawMiss(Rng& rng) const override { return rng.Uniform(0.062, 0.082); }
  // Open fingers come down on both sides of the handle, then pull: against the stop at the end.
  Move Lead(Sim sim, bool miss) const override {
    const Vec3 handle = Object(sim), hand = Hand(sim);
    const Vec3 above = {handle.x, handle.y - 0.005, 0.2}, way = above - hand;
    const bool over = std::abs(way.x) < 0.02 && std::abs(way.y) < 0.015;
    if (hand.z > 0.11) return {{above.x, above.y, over ? 0.07 : above.z}, -1};
    if (!miss) return {{handle.x, hand.y - 0.12, 0.07}, -1};
    // It coasts: 0.2 s from its mass and damping.
    const double left = TrueDistance(sim) - memory_.miss - 0.2 * std::abs(sim.data->qvel[slide_]);
    return {{handle.x, Mocap(sim).y - 0.08 * std::max(left, 0.0), 0.07}, -1};
  }

  int drawer_ = -1, slide_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeDrawerOpen(const SawyerOptions& options) {
  return std::make_unique<DrawerOpen>(options);
}

}  // namespace v2r::metaworld
