#include "envs/reach.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kLink = 0.1;      // m, both links
constexpr double kSuccess = 0.02;  // m
constexpr double kSpeed = 3.0;     // rad/s at action 1

// Joint angles that put the tip at `target`, elbow bent to `side` (1 or -1; law of cosines; the
// target is brought within reach).
std::array<double, 2> SolveArm(Vec2 target, double side) {
  const double r = std::clamp(Norm(target), 1e-6, 2 * kLink);
  const double elbow = side * std::acos(std::clamp(r * r / (2 * kLink * kLink) - 1, -1.0, 1.0));
  return {std::atan2(target.y, target.x) - elbow / 2, elbow};
}

// From the joint angles `q` to `target`; the shoulder turns freely.
std::array<double, 2> Way(const double* q, const std::array<double, 2>& target) {
  return {std::remainder(target[0] - q[0], 2 * kPi), target[1] - q[1]};
}

class Reach : public Env {
 public:
  explicit Reach(bool random_goal)
      : random_goal_(random_goal),
        spec_{.model = OwnModel(random_goal ? "reach_goal.xml" : "reach.xml"),
              .obs_dim = random_goal ? 12 : 10,
              .act_low = {-1, -1},
              .act_high = {1, 1},
              .max_episode_steps = 50,
              .control_dt = 0.04,
              .has_goal_frame = random_goal} {}
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override {
    tip_site_ = RequireId(model, mjOBJ_SITE, "tip");
    if (!random_goal_) {
      const mjtNum* pos = model->geom_pos + 3 * RequireId(model, mjOBJ_GEOM, "goal");
      memory_.goal = {pos[0], pos[1]};
    }
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    if (random_goal_) memory_.goal = Polar(rng.Uniform(0.06, 0.18), rng.Uniform(-kPi, kPi));
    do {
      sim.data->qpos[0] = rng.Uniform(-kPi, kPi);
      sim.data->qpos[1] = rng.Uniform(-1.2, 2.4);
      mj_forward(sim.model, sim.data);
    } while (TrueDistance(sim) < 0.08);
    if (random_goal_) memory_.side = NearerSide(sim.data->qpos);
    memory_.habit.Draw(rng, 0.65, 1.0);
    do {
      memory_.miss = memory_.goal + Polar(rng.Uniform(0.055, 0.08), rng.Uniform(-kPi, kPi));
    } while (Norm(memory_.miss) < 0.04 || Norm(memory_.miss) > 0.19);
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    row.reward = -TrueDistance(sim) / kLink;
  }

  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const Vec2 end = skill == ExpertSkill::kGood ? memory_.goal : memory_.miss;
    const auto way = Way(sim.data->qpos, SolveArm(end, memory_.side));
    for (int j = 0; j < 2; ++j) {
      const double wish =
          std::clamp(6 * way[j] / kSpeed, -memory_.habit.speed, memory_.habit.speed);
      action[j] = static_cast<float>(wish + 0.04 * rng.Normal());
    }
  }

  double TrueDistance(Sim sim) const override { return Norm(Tip(sim) - memory_.goal); }

  void PoseGoal(Sim sim) override {
    const auto target = SolveArm(memory_.goal, memory_.side);
    std::copy(target.begin(), target.end(), sim.data->qpos);
    mj_kinematics(sim.model, sim.data);
  }

  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  // The side whose solution takes less time from the joint angles `q`.
  double NearerSide(const double* q) const {
    const auto time = [&](double side) {
      const auto way = Way(q, SolveArm(memory_.goal, side));
      return std::max(std::abs(way[0]), std::abs(way[1]));
    };
    return time(1) <= time(-1) ? 1 : -1;
  }
  Vec2 Tip(Sim sim) const {
    const mjtNum* pos = sim.data->site_xpos + 3 * tip_site_;
    return {pos[0], pos[1]};
  }
  void Write(Sim sim, EnvRow row) const {
    const double* q = sim.data->qpos;
    const double* v = sim.data->qvel;
    const Vec2 to_goal = memory_.goal - Tip(sim);
    const Vec2 tip = (1 / kLink) * Tip(sim), left = (1 / kLink) * to_goal;
    const Vec2 goal = (1 / kLink) * memory_.goal;
    // clang-format off
    const double values[12] = {std::cos(q[0]), std::cos(q[1]), std::sin(q[0]), std::sin(q[1]),
                               v[0] / kSpeed, v[1] / kSpeed, tip.x, tip.y, left.x, left.y,
                               goal.x, goal.y};
    // clang-format on
    std::copy_n(values, row.obs.size(), row.obs.begin());
    row.success = Norm(to_goal) < kSuccess;
  }

  struct State {
    Vec2 goal, miss;
    double side = 1;  // of the elbow at the goal
    ExpertHabit habit;
  };
  bool random_goal_;
  EnvSpec spec_;
  int tip_site_ = -1;
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakeReach(bool random_goal) { return std::make_unique<Reach>(random_goal); }

}  // namespace v2r
