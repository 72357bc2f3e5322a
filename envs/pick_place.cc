#include "envs/pick_place.h"

#include <algorithm>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;         // m, unit of the observation's lengths
constexpr double kSuccess = 0.025;    // m, seen from above
constexpr double kSpeed = 0.3;        // m/s at action 1: 0.33 * kv 30 / (kv 30 + damping 3)
constexpr double kHalf = 0.024;       // m, half an edge of the cube
constexpr double kCupRadius = 0.014;  // m
constexpr double kClear = 0.025;      // m, height above the place at which the cube is carried
constexpr double kAway = 0.03;        // m, distance that the cup keeps from the cube at the end

class PickPlace : public Env {
 public:
  PickPlace() {
    spec_.model = OwnModel("pick_place.xml");
    spec_.obs_dim = 15;
    spec_.act_low = {-1, -1, -1, -1};
    spec_.act_high = {1, 1, 1, 1};
    spec_.max_episode_steps = 100;
    spec_.control_dt = 0.04;
    spec_.camera = "front";
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override {
    const int pillar = RequireId(model, mjOBJ_GEOM, "pillar");
    const mjtNum* pos = model->geom_pos + 3 * pillar;
    place_ = {pos[0], pos[1]};
    height_ = 2 * pos[2] + kHalf;
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    double* q = sim.data->qpos;  // cup x, y, z, cube x, y, z
    q[0] = rng.Uniform(-0.18, 0.18);
    q[1] = rng.Uniform(-0.1, 0.1);
    q[2] = rng.Uniform(0.11, 0.17);
    q[3] = rng.Uniform(-0.15, -0.05);
    q[4] = rng.Uniform(-0.08, 0.06);
    q[5] = kHalf;
    mj_forward(sim.model, sim.data);
    memory_.habit.Draw(rng, 0.7, 1.0);
    memory_.miss = place_ + Polar(rng.Uniform(0.073, 0.08), rng.Uniform(-kPi, 0));
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    const double away = Norm(Cube(sim) - place_), z = sim.data->qpos[5] - height_;
    const double cup = Stands(sim) ? std::max(0.0, kAway - Gap(sim)) : kAway + Gap(sim);
    row.reward = -(away + std::abs(z - kClear * std::min(1.0, away / 0.05)) + 0.3 * cup) / kUnit;
  }

  // Down onto the cube, up, across, down, off.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const bool good = skill == ExpertSkill::kGood;
    const double* q = sim.data->qpos;
    const double floor = good ? height_ : kHalf, carry = height_ + kClear;
    const Vec2 cup = {q[0], q[1]}, cube = Cube(sim), across = (good ? place_ : memory_.miss) - cube;
    const double above = q[2] - q[5] - kHalf - kCupRadius;
    Vec2 wish;  // m/s
    double rise = 0, suction = -1;
    if (Norm(across) < 0.016 && q[5] < floor + 0.004) {  // it stands
      rise = 5 * (0.16 - q[2]);
    } else if (above < 0.004 && Norm(cube - cup) < 0.018) {  // it hangs
      suction = 1;
      wish = Norm(across) < 0.01 || q[5] > carry - 0.006 ? 6 * across : Vec2{};
      rise = Norm(across) < 0.012 ? -0.12 : 5 * (carry + 0.003 - q[5]);
    } else {
      const Vec2 way = cube - cup;
      wish = 6 * way;
      rise = Norm(way) < 0.01 ? -0.15 : 5 * (0.03 - above);
      suction = Norm(way) < 0.01 ? 1 : -1;
    }
    memory_.habit.Steer(wish, kSpeed, rng, action);
    const double limit = memory_.habit.speed;
    action[2] = static_cast<float>(std::clamp(rise / kSpeed, -limit, limit) + 0.04 * rng.Normal());
    action[3] = static_cast<float>(suction);
  }

  double TrueDistance(Sim sim) const override {
    return std::hypot(Norm(Cube(sim) - place_), sim.data->qpos[5] - height_);
  }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  static Vec2 Cube(Sim sim) { return {sim.data->qpos[3], sim.data->qpos[4]}; }
  // Between the cup and the middle of the cube's top.
  static double Gap(Sim sim) {
    const double* q = sim.data->qpos;
    const double above = q[2] - q[5] - kHalf - kCupRadius;
    return std::hypot(q[0] - q[3], q[1] - q[4], above);
  }
  bool Stands(Sim sim) const {
    return Norm(Cube(sim) - place_) < kSuccess && sim.data->qpos[5] < height_ + 0.005;
  }
  void Write(Sim sim, EnvRow row) const {
    const double *q = sim.data->qpos, *v = sim.data->qvel;
    const double top[3] = {q[3], q[4], q[5] + kHalf + kCupRadius};
    const double place[3] = {place_.x, place_.y, height_};
    for (int i = 0; i < 3; ++i) {
      row.obs[i] = static_cast<float>(q[i] / kUnit);
      row.obs[3 + i] = static_cast<float>(v[i] / kSpeed);
      row.obs[6 + i] = static_cast<float>((top[i] - q[i]) / kUnit);
      row.obs[9 + i] = static_cast<float>(v[3 + i] / kSpeed);
      row.obs[12 + i] = static_cast<float>((place[i] - q[3 + i]) / kUnit);
    }
    row.success = Stands(sim) && Gap(sim) > 0.02;
  }

  struct State {
    Vec2 miss;  // where a near miss puts the cube down
    HabitOf<4> habit;
  };
  EnvSpec spec_;
  Vec2 place_;         // centre of the disc
  double height_ = 0;  // of the cube's centre when it stands on it
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakePickPlace() { return std::make_unique<PickPlace>(); }

}  // namespace v2r
