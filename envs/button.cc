#include "envs/button.h"

#include <algorithm>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;       // m, unit of the observation's lengths
constexpr double kDepth = 0.04;     // m, the wished depth
constexpr double kSuccess = 0.006;  // m
constexpr int kHold = 5;            // steps
constexpr double kSpeed = 0.3;      // m/s at action 1: 0.33 * kv 30 / (kv 30 + damping 3)
constexpr double kRadius = 0.018;   // m, of the finger

class Button : public Env {
 public:
  Button() {
    spec_.model = OwnModel("button.xml");
    spec_.obs_dim = 9;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 60;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override {
    const int geom = RequireId(model, mjOBJ_GEOM, "button");
    const mjtNum* pos = model->body_pos + 3 * model->geom_bodyid[geom];
    face_ = {pos[0], pos[1] - model->geom_size[3 * geom + 1]};
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    double* q = sim.data->qpos;  // depth, finger x, y
    q[1] = rng.Uniform(-0.2, 0.2);
    q[2] = rng.Uniform(-0.21, -0.02);
    mj_forward(sim.model, sim.data);
    memory_.held = 0;
    memory_.habit.Draw(rng, 0.65, 1.0);
    memory_.miss = {(rng.Bernoulli(0.5) ? 1 : -1) * rng.Uniform(0.056, 0.066),
                    rng.Uniform(0.0, 0.012)};
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    memory_.held = Left(sim) < kSuccess ? memory_.held + 1 : 0;
    Write(sim, row);
    row.reward = -(2 * Left(sim) + 0.5 * Gap(sim)) / kUnit;
  }

  // In front of the button (a near miss: beside it), then straight on.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    Vec2 wish;  // m/s
    if (skill == ExpertSkill::kNearMiss) {
      wish = 6 * (face_ + memory_.miss - Finger(sim));
    } else {
      const Vec2 way = Face(sim) - Finger(sim);
      const bool ahead = std::abs(way.x) < 0.014;
      // The spring at full depth takes 0.08 m/s of the servo.
      wish = {6 * way.x, ahead ? 0.1 + 6 * Left(sim) : 6 * (way.y - kRadius - 0.02)};
    }
    memory_.habit.Steer(wish, kSpeed, rng, action);
  }

  double TrueDistance(Sim sim) const override { return Left(sim) + Gap(sim); }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  static Vec2 Finger(Sim sim) { return {sim.data->qpos[1], sim.data->qpos[2]}; }
  Vec2 Face(Sim sim) const { return face_ + Vec2{0, sim.data->qpos[0]}; }
  static double Left(Sim sim) { return std::max(0.0, kDepth - sim.data->qpos[0]); }
  double Gap(Sim sim) const { return std::max(0.0, Norm(Face(sim) - Finger(sim)) - kRadius); }
  void Write(Sim sim, EnvRow row) const {
    const double *q = sim.data->qpos, *v = sim.data->qvel;
    const Vec2 way = Face(sim) - Finger(sim);
    const double values[9] = {q[1] / kUnit,  q[2] / kUnit,  v[1] / kSpeed,
                              v[2] / kSpeed, q[0] / kUnit,  v[0] / kSpeed,
                              way.x / kUnit, way.y / kUnit, Left(sim) / kUnit};
    std::copy_n(values, row.obs.size(), row.obs.begin());
    row.success = memory_.held >= kHold;
  }

  struct State {
    double held = 0;  // steps that the button has been down
    Vec2 miss;        // where a near miss ends, seen from the face at rest
    ExpertHabit habit;
  };
  EnvSpec spec_;
  Vec2 face_;  // centre of the button's face at rest
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakeButton() { return std::make_unique<Button>(); }

}  // namespace v2r
