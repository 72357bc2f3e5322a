#include "envs/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "envs/expert.h"

namespace v2r {
namespace {

constexpr double kUnit = 0.1;   // m, unit of the observation's lengths
constexpr double kZone = 0.12;  // m, lower edge of the zone
constexpr int kPucks = 3;

struct Shape {
  const char* model;
  double speed;  // m/s at action 1: ctrlrange * kv 30 / (kv 30 + damping 3)
  double reach;  // m, sideways from the tool's middle to the middle of a puck that it holds safely
  double touch;  // m, from the tool's middle up to the middle of a puck that it pushes
  double below;  // m, the same for the tool to pass under a puck
  double clear;  // m, sideways from the tool's middle to a puck that it passes
};
constexpr Shape kShapes[] = {{"sweep_stick.xml", 0.25, 0.12, 0.032, 0.039, 0.157},
                             {"sweep_paddle.xml", 0.4, 0.064, 0.036, 0.043, 0.102},
                             {"sweep_fork.xml", 0.65, 0.005, 0.032, 0.072, 0.073}};

class Sweep : public Env {
 public:
  explicit Sweep(const Shape& shape) : shape_(shape) {
    spec_.model = OwnModel(shape.model);
    spec_.obs_dim = 4 + 5 * kPucks;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 100;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel*) override {}

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    double* q = sim.data->qpos;  // tool x, y, pucks x, y
    q[0] = rng.Uniform(-0.11, 0.11);
    q[1] = rng.Uniform(-0.2, -0.17);
    for (int i = 0; i < kPucks; ++i) {
      q[2 + 2 * i] = 0.095 * (i - 1) + rng.Uniform(-0.01, 0.01);
      q[3 + 2 * i] = rng.Uniform(-0.04, 0.02);
    }
    mj_forward(sim.model, sim.data);
    memory_.habit.Draw(rng, 0.75, 1.0);
    memory_.side = rng.Bernoulli(0.5) ? 1 : -1;
    memory_.miss = rng.Uniform(0.058, 0.08);
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    StepServos(sim, action, spec_.control_dt);
    Write(sim, row);
    for (int i = 0; i < kPucks; ++i) {
      const double left = Left(Puck(sim, i)), way = Way(Tool(sim), Puck(sim, i));
      if (left > 0) row.reward -= (left + 0.2 * way) / (kPucks * kUnit);
    }
  }

  // From one side to the other: under as many pucks as the tool takes at once, up, and down again.
  // A near miss brings them to a line before the zone.
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
    const double line = skill == ExpertSkill::kGood ? kZone + 0.012 : kZone - memory_.miss;
    const Vec2 tool = Tool(sim);
    constexpr double kFar = std::numeric_limits<double>::infinity();
    double first = kFar, lowest = kFar;  // of those before the line; `first` counts from the side
    for (int i = 0; i < kPucks; ++i) {
      const Vec2 puck = Puck(sim, i);
      if (puck.y >= line) continue;
      first = std::min(first, memory_.side * puck.x);
      lowest = std::min(lowest, puck.y);
    }
    double last = first, low = kFar, widest = 0;  // of those to take next
    for (int i = 0; i < kPucks; ++i) {
      const Vec2 puck = Puck(sim, i);
      if (puck.y >= line || memory_.side * puck.x > first + 2 * shape_.reach) continue;
      last = std::max(last, memory_.side * puck.x);
      low = std::min(low, puck.y);
      widest = std::max(widest, std::abs(puck.x - tool.x));
    }
    Vec2 wish;  // m/s
    if (first < kFar) {
      const double aside = memory_.side * (first + last) / 2 - tool.x;
      if (widest < shape_.reach + 0.004 && tool.y < low - shape_.touch + 0.004) {
        wish = {6 * aside, 12 * (line - low) + 0.08};
      } else if (tool.y > lowest - shape_.below) {
        wish = {0, -shape_.speed};
      } else {
        wish = {14 * aside, 14 * (lowest - shape_.below - 0.008 - tool.y)};
      }
    }
    memory_.habit.Steer(wish, shape_.speed, rng, action);
  }

  double TrueDistance(Sim sim) const override {
    double longest = 0;
    for (int i = 0; i < kPucks; ++i) longest = std::max(longest, Left(Puck(sim, i)));
    return longest;
  }
  std::span<double> Memory() override { return AsDoubles(memory_); }

 private:
  static Vec2 Tool(Sim sim) { return {sim.data->qpos[0], sim.data->qpos[1]}; }
  static Vec2 Puck(Sim sim, int i) {
    return {sim.data->qpos[2 + 2 * i], sim.data->qpos[3 + 2 * i]};
  }
  static double Left(Vec2 puck) { return std::max(0.0, kZone - puck.y); }
  // m, from `tool` to under `puck`: past its side where the tool is too high.
  double Way(Vec2 tool, Vec2 puck) const {
    const double aside = std::abs(puck.x - tool.x), down = tool.y - (puck.y - shape_.touch);
    if (down < 0.004) return std::hypot(aside, down);
    return std::abs(shape_.clear - aside) + down + shape_.clear;
  }
  void Write(Sim sim, EnvRow row) const {
    const Vec2 tool = Tool(sim);
    const double* v = sim.data->qvel;
    double values[4 + 5 * kPucks] = {tool.x / kUnit, tool.y / kUnit, v[0] / shape_.speed,
                                     v[1] / shape_.speed};
    for (int i = 0; i < kPucks; ++i) {
      const Vec2 puck = Puck(sim, i), rel = puck - tool;
      const double own[5] = {puck.x, puck.y, rel.x, rel.y, Left(puck)};
      for (int k = 0; k < 5; ++k) values[4 + 5 * i + k] = own[k] / kUnit;
    }
    std::copy_n(values, row.obs.size(), row.obs.begin());
    row.success = TrueDistance(sim) == 0;
  }

  struct State {
    double side = 1;  // -1: from right to left
    double miss = 0;  // m that a near miss leaves
    ExpertHabit habit;
  };
  const Shape& shape_;
  EnvSpec spec_;
  State memory_;
};

}  // namespace

std::unique_ptr<Env> MakeSweep(SweepTool tool) {
  return std::make_unique<Sweep>(kShapes[static_cast<int>(tool)]);
}

}  // namespace v2r
