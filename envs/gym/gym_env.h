// What Gymnasium's MuJoCo environments share: the order of a step, the start of an episode, sums as
// NumPy rounds them (gymnasium 1.4.0: envs/mujoco/mujoco_env.py and *_v5.py).
//
// xpos, cinert, cfrc_ext, ... are read as mj_step leaves them, a substep (or a Runge-Kutta stage)
// behind qpos: so does Gymnasium.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "envs/env.h"
#include "envs/row_writer.h"

namespace v2r::gym {

class GymEnv : public Env {
 public:
  // Sizes, bounds and control_dt are those of the model: they are there after Bind.
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override;
  void Reset(Sim sim, Rng& rng, EnvRow row) override;
  void Enter(Sim sim, EnvRow row) override;
  void Step(Sim sim, std::span<const float> action, EnvRow row) override;
  double TrueDistance(Sim) const override { return kept_[2]; }
  std::span<double> Memory() override { return kept_; }

 protected:
  struct Outcome {
    double reward = 0;
    bool terminated = false;
  };
  using Place = std::array<double, 2>;  // x, y; m

  // xml: file of the wheel's assets folder. camera: of the model, "" where it has none. skipped:
  // first positions that are not observed.
  GymEnv(const std::string& xml, int64_t frame_skip, const char* camera,
         std::vector<InfoField> info, int skipped = 0);

  // Looks up ids and returns the number of entries of an observation.
  virtual int LookUp(const mjModel* model) { return model->nq - skipped_ + model->nv; }
  // Draws a start into sim.data, which holds qpos0 and no velocity.
  virtual void Draw(Sim sim, Rng& rng) const = 0;
  // Positions but the skipped ones, then velocities.
  virtual void Observe(Sim sim, ObsRow& row) const;
  // Of the step that was taken; d->ctrl holds the action too, as doubles.
  virtual Outcome Judge(Sim sim, std::span<const float> action, InfoRow& info) const = 0;
  // What Velocity is the velocity of.
  virtual Place Where(Sim sim) const { return {sim.data->qpos[0], sim.data->qpos[1]}; }
  // To the goal in m; NaN where there is none.
  virtual double Distance(Sim sim) const;
  virtual bool Success(Sim) const { return false; }

  // Mean over the step, m/s. axis: 0 = x, 1 = y.
  double Velocity(Sim sim, int axis) const {
    return (Where(sim)[axis] - kept_[axis]) / spec_.control_dt;
  }
  EnvSpec spec_;
  int skipped_;
  bool reads_forces_ = false;  // cfrc_ext is wanted, which mj_step alone does not compute

 private:
  void Begin(Sim sim, EnvRow row);
  void Write(Sim sim, EnvRow row) const;
  void Keep(Sim sim);

  int64_t frame_skip_;
  std::array<double, 3> kept_{};  // x and y of Where, Distance: of the last observation
};

// What an option of two numbers says.
struct Range {
  double low, high;
  // key: of env.task, for the message. UserError unless there are two numbers, the first not above
  // the second.
  Range(const std::vector<double>& option, const char* key);
  bool Inside(double x) const { return low < x && x < high; }
  double Clip(double x) const { return x < low ? low : x > high ? high : x; }
};

// weight * |action|^2 in float32, which Gymnasium computes it in. At most eight entries.
float ControlCost(std::span<const float> action, double weight);
// |values|^2.
double SquaredNorm(const mjtNum* values, int count);

void AddUniform(mjtNum* values, int count, double scale, Rng& rng);  // within +-scale
void AddNormal(mjtNum* values, int count, double scale, Rng& rng);   // standard deviation scale

}  // namespace v2r::gym
