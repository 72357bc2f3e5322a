#include "envs/drawer.h"

#include <algorithm>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;      // m, unit of the observation's lengths
constexpr double kOpen = 0.15;     // m, the wished opening
constexpr double kSuccess = 0.03;  // m
constexpr double kSpeed = 0.3;     // m/s at action 1: 0.33 * kv 30 / (kv 30 + damping 3)

// Places seen from the bar's open end (m): where the peg turns round it, and where it pulls.
constexpr Vec2 kCorner = {0.036, 0.015}, kHook = {-0.025, 0.028};

class Drawer : public Env {
 public:
  Drawer() {
    spec_.model = OwnModel("drawer.xml");
    spec_.obs_dim = 9;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 80;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override { bar_end_ = RequireId(model, mjOBJ_SITE, "bar_end"); }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    double* q = sim.data->qpos;  // opening, peg x, y
    q[0] = std::max(0.0, rng.Uniform(-0.03, 0.03));
    q[1] = rng.Uniform(-0.19, 0.19);
    q[2] = rng.Uniform(-0.21, -0.06);
    mj_forward(sim.model, sim.data);
    memory_.habit.Draw(rng, 0.65, 1.0);
    memory_.miss = rng.Uniform(0.055, 0.08);
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    row.reward = -(TrueDistance(sim) + 0.3 * WayToHook(FromBarEnd(sim))) / kUnit;
  }

  // Round the open end of the bar, in behind it, and down.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const Vec2 peg = FromBarEnd(sim);
    const double left = TrueDistance(sim) - (skill == ExpertSkill::kGood ? 0 : memory_.miss);
    Vec2 wish;  // m/s
    if (IsBehind(peg) && peg.x < 0) {
      if (left > 0) wish = {4 * (kHook.x - peg.x), -std::min(kSpeed, 4 * left + 0.03)};
    } else if (peg.y > kCorner.y) {
      wish = 8 * (kHook - peg);
    } else if (peg.x > kCorner.x - 0.006) {
      wish = 8 * (kCorner + Vec2{0.004, 0.015} - peg);
    } else {
      wish = 8 * (kCorner + Vec2{0.008, -0.05} - peg);
    }
    memory_.habit.Steer(wish, kSpeed, rng, action);
  }

  double TrueDistance(Sim sim) const override { return std::max(0.0, kOpen - sim.data->qpos[0]); }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  Vec2 FromBarEnd(Sim sim) const {
    const mjtNum* end = sim.data->site_xpos + 3 * bar_end_;
    return {sim.data->qpos[1] - end[0], sim.data->qpos[2] - end[1]};
  }
  // Between the bar and the drawer, or free to go there straight; `peg` is seen from the bar's end.
  static bool IsBehind(Vec2 peg) { return peg.y > kCorner.y && peg.x > -0.1; }
  static double WayToHook(Vec2 peg) {
    if (IsBehind(peg)) return Norm(kHook - peg);
    return Norm(kCorner - peg) + Norm(kHook - kCorner);
  }
  void Write(Sim sim, EnvRow row) const {
    const double *q = sim.data->qpos, *v = sim.data->qvel;
    const Vec2 peg = FromBarEnd(sim);
    const double left = TrueDistance(sim);
    const double values[9] = {q[1] / kUnit,   q[2] / kUnit,   v[1] / kSpeed,
                              v[2] / kSpeed,  q[0] / kUnit,   v[0] / kSpeed,
                              -peg.x / kUnit, -peg.y / kUnit, left / kUnit};
    std::copy_n(values, row.obs.size(), row.obs.begin());
    row.success = left < kSuccess;
  }

  struct State {
    double miss = 0;  // m that a near miss leaves
    ExpertHabit habit;
  };
  EnvSpec spec_;
  int bar_end_ = -1;
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakeDrawer() { return std::make_unique<Drawer>(); }

}  // namespace v2r
