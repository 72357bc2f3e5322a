// Env: the task logic of one simulation. A task is one file of some 150 lines or less and its MJCF
// in envs/assets (docs/add_an_env.md goes through one).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/registry.h"
#include "core/rng.h"
#include "envs/physics.h"
#include "envs/vector_env.h"

namespace v2r {

struct EnvSpec {
  std::filesystem::path model;  // MJCF file: OwnModel("reach.xml"), WheelModel("...") or the user's
  int64_t obs_dim = 0;
  std::vector<float> act_low, act_high;  // [act_dim], one entry an actuator
  int64_t max_episode_steps = 0;         // the vector env truncates there
  double control_dt = 0;                 // seconds a step, a multiple of the model's timestep
  bool has_goal_frame = false;           // PoseGoal shows the goal of the episode
  std::vector<InfoField> info;           // what EnvRow::info holds, in this order
  std::string camera = "top";            // camera of the model that shows the task best; "" = free
  std::optional<FreeView> view;  // of the free camera; none = MuJoCo's guess from the model's size
  bool own_model = false;        // the task writes into mjModel: each simulation has a PrivateModel
  bool stale_kinematics = false;  // Step leaves xpos etc. as mj_step does, a substep behind qpos
                                  // (Gymnasium); the vector env refreshes them to draw
};

// One simulation as MuJoCo's batch engine hands it to task code: valid during the call, on the
// calling thread.
struct Sim {
  const mjModel* model = nullptr;
  mjData* data = nullptr;
};

// Where a simulation writes: its row of the batch arrays. The flags are 0 and the reward is 0 when
// Reset or Step is called.
struct EnvRow {
  std::span<float> obs;  // [obs_dim]
  double& reward;
  uint8_t& terminated;     // the episode ended by itself: no bootstrap
  uint8_t& truncated;      // the episode was cut; the vector env sets it at the step limit
  uint8_t& success;        // of the state after the step
  std::span<double> info;  // the fields of EnvSpec::info one after the other; 0 at Reset and Step
};

// Calls for one Env are never concurrent, but may come from another thread each time. Nothing here
// allocates after Bind.
class Env {
 public:
  virtual ~Env() = default;
  virtual const EnvSpec& Spec() const = 0;
  // Once, before anything else: looks up ids in the model. With EnvSpec::own_model it is this
  // simulation's own, and the arrays that WriteModelField names may be written to at any time; else
  // it is shared and must not be.
  virtual void Bind(mjModel* model) = 0;

  // Draws the start of an episode into sim.data, which mj_resetData has just cleared, runs the
  // kinematics and writes `row.obs` and `row.success`.
  virtual void Reset(Sim sim, Rng& rng, EnvRow row) = 0;
  // Starts an episode from a state that the caller has put into sim.data (and, with own_model, into
  // the model) after mj_resetData: runs the forward pass that Reset ends with and writes `row`.
  // UserError where the task has more to its state than that.
  virtual void Enter(Sim sim, EnvRow row);
  // One control step. action: [act_dim], finite, within the bounds
  // (env.clip_action=false: anywhere). Leaves the kinematics (xpos,
  // geom_xpos, ...) current, so that a picture shows the state after the step. Writes the whole
  // row.
  virtual void Step(Sim sim, std::span<const float> action, EnvRow row) = 0;

  // The scripted policy that films demonstrations, in the present state: writes action [act_dim].
  // What has to stay the same during an episode (speed, where a near miss ends) was drawn by Reset.
  // UserError when the task has none.
  virtual void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action);
  // Distance of the state to the goal in metres; NaN where the task knows none.
  virtual double TrueDistance(Sim sim) const;
  // Puts sim.data kinematically into the goal state of the episode, kinematics current. The caller
  // restores the state.
  virtual void PoseGoal(Sim sim);

  // All the task keeps between calls beyond MuJoCo's integration state, as one flat array that the
  // vector env saves and restores.
  virtual std::span<double> Memory() { return {}; }
  // After MuJoCo's state and Memory() were restored: brings derived quantities (and an own model)
  // to what they were. The default runs mj_forward. What a step reads of the quantities that
  // mj_step leaves behind (an xpos one substep old) belongs into Memory().
  virtual void Restored(Sim sim);
};

// Sets the controls to action[i] * (upper end of the actuator's control range), steps for
// `control_dt` and brings the kinematics up to date. action: [nu] in [-1, 1].
void StepServos(Sim sim, std::span<const float> action, double control_dt);

// Every registered task: the one explicit list. A factory binds the task's own options from
// `env.task` of the config.
using EnvFactories = Registry<Env, const ConfigNode&>;
const EnvFactories& EnvRegistry();

// What a task without options binds.
struct NoTaskOptions {
  template <typename V>
  void Fields(V&) {}
};

}  // namespace v2r
