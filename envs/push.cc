#include "envs/push.h"

#include <algorithm>
#include <cmath>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;       // m, unit of the observation's lengths
constexpr double kSuccess = 0.045;  // m
constexpr double kSpeed = 0.3;      // m/s at action 1: 0.33 * kv 30 / (kv 30 + damping 3)
constexpr double kTouch = 0.05;     // m, centres at contact: radii 0.02 + 0.03

class Push : public Env {
 public:
  explicit Push(bool wide) : wide_(wide) {
    spec_.model = OwnModel("push.xml");
    spec_.obs_dim = 12;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 80;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override {
    const mjtNum* pos = model->geom_pos + 3 * RequireId(model, mjOBJ_GEOM, "target");
    target_ = {pos[0], pos[1]};
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    double* q = sim.data->qpos;  // pusher x, y, puck x, y
    q[0] = rng.Uniform(-0.03, 0.03);
    q[1] = rng.Uniform(-0.2, -0.18);
    do {
      q[2] = wide_ ? rng.Uniform(-0.14, 0.14) : rng.Uniform(-0.06, 0.06);
      q[3] = wide_ ? rng.Uniform(-0.12, 0.14) : rng.Uniform(-0.075, -0.025);
    } while (Norm(Puck(sim) - target_) < 0.1);
    mj_forward(sim.model, sim.data);
    memory_.habit.Draw(rng, wide_ ? 0.75 : 0.5, wide_ ? 1.0 : 0.8);
    // A near miss stops short or beside: never in the half behind the target.
    const Vec2 back = Puck(sim) - target_;
    memory_.miss = target_ + Polar(rng.Uniform(0.065, 0.08),
                                   std::atan2(back.y, back.x) + rng.Uniform(-kPi / 2, kPi / 2));
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    const double gap = std::max(0.0, Norm(Puck(sim) - Pusher(sim)) - kTouch);
    row.reward = -(TrueDistance(sim) + 0.2 * gap) / kUnit;
  }

  // Goes round the puck to its far side and pushes along the line to the target.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const Vec2 goal = skill == ExpertSkill::kGood ? target_ : memory_.miss;
    const Vec2 puck = Puck(sim), away = puck - goal, rel = Pusher(sim) - puck;
    const double left = Norm(away), radius = Norm(rel);
    Vec2 wish;  // m/s
    if (left > 0.006) {
      const Vec2 behind = (1 / left) * away, side = {-behind.y, behind.x};
      const double angle =
          std::atan2(Dot(rel, side), Dot(rel, behind));  // 0 = exactly behind the puck
      if (std::abs(angle) < 0.35) {
        const double push = std::min(kSpeed, 4 * left + 0.03);
        wish = (-push) * behind + (-8 * Dot(rel, side)) * side;
      } else {
        const Vec2 out = (1 / std::max(radius, 1e-6)) * rel, round = {-out.y, out.x};
        const double turn = std::clamp(-6 * angle, -1.0, 1.0) * kSpeed;
        wish = turn * round + (8 * (0.065 - radius)) * out;
      }
    }
    memory_.habit.Steer(wish, kSpeed, rng, action);
  }

  double TrueDistance(Sim sim) const override { return Norm(Puck(sim) - target_); }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  static Vec2 Pusher(Sim sim) { return {sim.data->qpos[0], sim.data->qpos[1]}; }
  static Vec2 Puck(Sim sim) { return {sim.data->qpos[2], sim.data->qpos[3]}; }
  void Write(Sim sim, EnvRow row) const {
    const Vec2 pusher = Pusher(sim), puck = Puck(sim), gap = puck - pusher, left = target_ - puck;
    const double* v = sim.data->qvel;
    const double values[12] = {pusher.x / kUnit, pusher.y / kUnit, v[0] / kSpeed,  v[1] / kSpeed,
                               puck.x / kUnit,   puck.y / kUnit,   v[2] / kSpeed,  v[3] / kSpeed,
                               gap.x / kUnit,    gap.y / kUnit,    left.x / kUnit, left.y / kUnit};
    std::copy_n(values, row.obs.size(), row.obs.begin());
    row.success = Norm(left) < kSuccess;
  }

  struct State {
    Vec2 miss;
    ExpertHabit habit;
  };
  bool wide_;
  EnvSpec spec_;
  Vec2 target_;
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakePush(bool wide) { return std::make_unique<Push>(wide); }

}  // namespace v2r
