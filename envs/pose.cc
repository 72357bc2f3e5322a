#include "envs/pose.h"

#include <algorithm>
#include <array>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;      // m, unit of the observation's lengths
constexpr double kSuccess = 0.03;  // m
constexpr double kSpeed = 4.0;     // rad/s at action 1
constexpr int kLimbs = 4, kJoints = 2 * kLimbs;

// In rad, in the order of joints and actions. Goal: one arm bent up, the other hand on the hip, the
// foot of a bent leg at the other knee.
using Angles = std::array<double, kJoints>;
constexpr Angles kGoal = {0.6, 1.1, -0.6, -1.7, 0.95, 1.75, 0.05, 0.0};
constexpr Angles kStart = {-1.15, 0.0, -1.15, 0.0, 0.1, 0.1, 0.1, 0.1};

class Pose : public Env {
 public:
  Pose() {
    spec_.model = OwnModel("pose.xml");
    spec_.obs_dim = 5 * kJoints;
    spec_.act_low.assign(kJoints, -1);
    spec_.act_high.assign(kJoints, 1);
    spec_.max_episode_steps = 60;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override {
    constexpr const char* kEnds[kLimbs] = {"left_hand", "right_hand", "left_foot", "right_foot"};
    const DataPtr data(mj_makeData(model));
    std::copy(kGoal.begin(), kGoal.end(), data->qpos);
    mj_kinematics(model, data.get());
    for (int limb = 0; limb < kLimbs; ++limb) {
      ends_[limb] = RequireId(model, mjOBJ_SITE, kEnds[limb]);
      bends_[limb] = model->site_bodyid[ends_[limb]];
      const mjtNum* root = data->xpos + 3 * model->body_parentid[bends_[limb]];
      goal_[2 * limb] = Bend(data.get(), limb);
      goal_[2 * limb + 1] = End(data.get(), limb);
      reach_[limb] = Norm(goal_[2 * limb + 1] - Vec2{root[0], root[1]});
    }
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    for (int j = 0; j < kJoints; ++j) {
      const bool leg = j >= kJoints / 2;
      sim.data->qpos[j] = memory_.start[j] = kStart[j] + rng.Uniform(-1, 1) * (leg ? 0.2 : 0.3);
    }
    mj_forward(sim.model, sim.data);
    memory_.habit.Draw(rng, 0.5, 0.9);
    // A near miss has one arm, or the bent leg, wrong by an angle at its root that moves the end by
    // 5.5 to 8 cm.
    const int limb = static_cast<int>(rng.Below(3));
    memory_.miss = kGoal;
    memory_.miss[2 * limb] -= 2 * std::asin(rng.Uniform(0.055, 0.08) / (2 * reach_[limb]));
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    for (int limb = 0; limb < kLimbs; ++limb) {
      row.reward -= (Norm(goal_[2 * limb] - Bend(sim.data, limb)) +
                     Norm(goal_[2 * limb + 1] - End(sim.data, limb))) /
                    (kJoints * kUnit);
    }
  }

  // All joints together along 3 s^2 - 2 s^3, from the posture at the start.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const Angles& goal = skill == ExpertSkill::kGood ? kGoal : memory_.miss;
    const double duration = 1 / memory_.habit.speed;  // s
    const double s = std::min(1.0, sim.data->time / duration);
    for (int j = 0; j < kJoints; ++j) {
      const double way = goal[j] - memory_.start[j];
      const double wish = memory_.start[j] + s * s * (3 - 2 * s) * way;
      const double rate = 6 * s * (1 - s) * way / duration + 8 * (wish - sim.data->qpos[j]);
      action[j] = static_cast<float>(rate / kSpeed + 0.04 * rng.Normal());
    }
  }

  double TrueDistance(Sim sim) const override {
    double worst = 0;
    for (int limb = 0; limb < kLimbs; ++limb) {
      worst = std::max(worst, Norm(goal_[2 * limb + 1] - End(sim.data, limb)));
    }
    return worst;
  }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  // Elbow or knee; hand or foot.
  Vec2 Bend(const mjData* data, int limb) const {
    return {data->xpos[3 * bends_[limb]], data->xpos[3 * bends_[limb] + 1]};
  }
  Vec2 End(const mjData* data, int limb) const {
    return {data->site_xpos[3 * ends_[limb]], data->site_xpos[3 * ends_[limb] + 1]};
  }
  void Write(Sim sim, EnvRow row) const {
    float* to = row.obs.data();
    for (int j = 0; j < kJoints; ++j) {
      to[j] = static_cast<float>(std::cos(sim.data->qpos[j]));
      to[kJoints + j] = static_cast<float>(std::sin(sim.data->qpos[j]));
      to[2 * kJoints + j] = static_cast<float>(sim.data->qvel[j] / kSpeed);
      const Vec2 now = j % 2 == 0 ? Bend(sim.data, j / 2) : End(sim.data, j / 2);
      to[3 * kJoints + 2 * j] = static_cast<float>((goal_[j].x - now.x) / kUnit);
      to[3 * kJoints + 2 * j + 1] = static_cast<float>((goal_[j].y - now.y) / kUnit);
    }
    row.success = TrueDistance(sim) < kSuccess;
  }

  struct State {
    Angles start, miss;  // rad; where a near miss ends
    HabitOf<kJoints> habit;
  };
  EnvSpec spec_;
  std::array<int, kLimbs> ends_ = {}, bends_ = {};  // sites, bodies
  std::array<Vec2, kJoints> goal_;                  // bend and end of each limb
  std::array<double, kLimbs> reach_ = {};           // m, from root to end in the goal
  State memory_ = {};
};

}  // namespace

std::unique_ptr<Env> MakePose() { return std::make_unique<Pose>(); }

}  // namespace v2r
