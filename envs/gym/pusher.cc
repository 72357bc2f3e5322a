#include <algorithm>
#include <cmath>

#include "envs/gym/classes.h"
#include "envs/gym/gym_env.h"

namespace v2r::gym {
namespace {

constexpr int kArm = 7;  // joints; those of cylinder and goal follow, two each

class Pusher : public GymEnv {
 public:
  explicit Pusher(const PusherOptions& options)
      : GymEnv("pusher_v5.xml", options.frame_skip, "",
               {{"reward_dist"}, {"reward_ctrl"}, {"reward_near"}}),
        options_(options) {
    spec_.max_episode_steps = 100;
  }

 private:
  int LookUp(const mjModel* model) override {
    tip_ = RequireId(model, mjOBJ_BODY, "tips_arm");
    object_ = RequireId(model, mjOBJ_BODY, "object");
    goal_ = RequireId(model, mjOBJ_BODY, "goal");
    radius_ = model->geom_size[3 * model->body_geomadr[goal_]];
    return 2 * kArm + 9;
  }
  // The joints of cylinder and goal start at the same place, so these are offsets from the goal.
  void Draw(Sim sim, Rng& rng) const override {
    mjtNum* cylinder = sim.data->qpos + kArm;
    do {
      cylinder[0] = rng.Uniform(-0.3, 0);
      cylinder[1] = rng.Uniform(-0.2, 0.2);
    } while (std::hypot(cylinder[0], cylinder[1]) <= 0.17);
    AddUniform(sim.data->qvel, kArm, 0.005, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    row.Put(sim.data->qpos, kArm);
    row.Put(sim.data->qvel, kArm);
    for (const int body : {tip_, object_, goal_}) row.Put(sim.data->xpos + 3 * body, 3);
  }
  Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const override {
    const mjtNum* x = sim.data->xpos;
    const double near = -mju_dist3(x + 3 * object_, x + 3 * tip_) * options_.reward_near_weight;
    const double dist = -mju_dist3(x + 3 * object_, x + 3 * goal_) * options_.reward_dist_weight;
    const double ctrl = -ControlCost(action, options_.reward_control_weight);
    info.Put(dist);
    info.Put(ctrl);
    info.Put(near);
    return {dist + ctrl + near, false};
  }
  // In the plane of the table.
  double Distance(Sim sim) const override {
    const mjtNum *object = sim.data->xpos + 3 * object_, *goal = sim.data->xpos + 3 * goal_;
    return std::hypot(object[0] - goal[0], object[1] - goal[1]);
  }
  bool Success(Sim sim) const override { return Distance(sim) < radius_; }

  PusherOptions options_;
  int tip_ = -1, object_ = -1, goal_ = -1;
  double radius_ = 0;  // of the goal's disc, m
};

}  // namespace

std::unique_ptr<Env> MakePusher(const PusherOptions& options) {
  return std::make_unique<Pusher>(options);
}

}  // namespace v2r::gym
