// What the tasks of dm_control's suite share: the order of a step, the observation row, the random
// joints, the arrays of the model that some write (dm_control 1.0.50: rl/control.py,
// mujoco/engine.py, suite/utils/randomizers.py).
#pragma once

#include <vector>

#include "envs/dmc/tolerance.h"
#include "envs/env.h"
#include "envs/row_writer.h"

namespace v2r::dmc {

// The arrays of its own model that a task writes, whole: what Env::Memory keeps of them.
class ModelArrays {
 public:
  void Add(mjtNum* values, int size);
  void Add(float* values, int size);
  void ToMjcf();             // writes what the arrays held when they were added
  std::span<double> Kept();  // as they are now
  void WriteKept();          // back, after the caller has changed Kept()

 private:
  struct Array {
    mjtNum* doubles;  // one of the two is null
    float* floats;
    int size;
  };
  std::vector<Array> arrays_;
  std::vector<double> mjcf_, kept_;
};

class SuiteEnv : public Env {
 public:
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override;
  void Reset(Sim sim, Rng& rng, EnvRow row) override;
  void Enter(Sim sim, EnvRow row) override;
  void Step(Sim sim, std::span<const float> action, EnvRow row) override;
  std::span<double> Memory() override { return arrays_.Kept(); }
  void Restored(Sim sim) override;

 protected:
  // `domain`: model file dm_control/suite/DOMAIN.xml of the wheel. control_dt: seconds. All tasks
  // take actions within +-1 and last 1000 steps.
  SuiteEnv(const char* domain, int obs_dim, int act_dim, double control_dt, const char* camera);

  // Looks up ids; tasks that write to the model name the arrays in arrays_.
  virtual void LookUp(mjModel* model) = 0;
  // Draws a start into sim.data (and the model), which hold the MJCF's values.
  virtual void Draw(Sim sim, Rng& rng) = 0;
  // The entries of dm_control's observation dictionary, one after the other.
  virtual void Observe(Sim sim, ObsRow& row) const = 0;
  // Of the present state; d->ctrl holds the step's action.
  virtual double Reward(Sim sim) const = 0;
  virtual bool Success(Sim sim) const = 0;

  // `count` substeps and fresh position and velocity quantities.
  void Advance(Sim sim, int count) const;
  EnvSpec spec_;
  ModelArrays arrays_;

 private:
  void Begin(Sim sim, EnvRow row);
  void Write(Sim sim, EnvRow row) const;

  int substeps_ = 0;
  bool runge_kutta_ = false;
  std::vector<double> ctrl_;  // [nu] set aside during Begin
};

// Limited hinges and slides uniform within their range, other hinges within +-pi, the orientation
// of a free joint from four uniform numbers in [0, 1) (sic); the rest stays.
void RandomizeJoints(Sim sim, Rng& rng);

// Calls draw() until no two geoms touch.
template <typename DrawJoints>
void DrawUntilFree(Sim sim, DrawJoints draw) {
  do {
    draw();
    mj_fwdPosition(sim.model, sim.data);
  } while (sim.data->ncon > 0);
}

// Address of a named sensor in sensordata.
int SensorAddress(const mjModel* model, const char* name);

// Entry of the 3 x 3 orientation of a body, row and column 0 to 2: column 2 is its z axis.
inline double Axis(Sim sim, int body, int row, int column) {
  return sim.data->xmat[9 * body + 3 * row + column];
}

// (4 + mean over the actuators of a quadratic that is 1 at control 0 and 0 at +-1) / 5.
double SmallControl(Sim sim);

}  // namespace v2r::dmc
