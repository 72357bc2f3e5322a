// Gymnasium's v5 classes and their constructor arguments: env.task.KEY has the argument's name and
// default. z is up; m, rad, s.
//
// The formulas and the layouts of observation and info are those of *_v5.py. Observations are
// listed in their order, with the defaults of the options. `success` means something where a state
// can be one; the tasks that are paid for speed or height have no such state and it stays 0.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/env.h"

namespace v2r::gym {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What the tasks that are paid for speed share. The defaults here are HalfCheetah's.
struct RunOptions {
  int64_t frame_skip = 5;
  double forward_reward_weight = 1;
  double ctrl_cost_weight = 0.1;
  double reset_noise_scale = 0.1;
  bool exclude_current_positions_from_observation = true;

  template <typename V>
  void Fields(V& v) {
    v("frame_skip", frame_skip, "simulation steps an environment step", AtLeast(1));
    v("forward_reward_weight", forward_reward_weight, "weight of the speed along x, m/s");
    v("ctrl_cost_weight", ctrl_cost_weight, "weight of the cost |action|^2");
    v("reset_noise_scale", reset_noise_scale, "how far starts are spread around the model's pose",
      AtLeast(0));
    v("exclude_current_positions_from_observation", exclude_current_positions_from_observation,
      "leave the coordinates that the dynamics do not depend on out of the observation");
  }
};

// Those of them that can fall.
struct LeggedOptions : RunOptions {
  double healthy_reward = 1;
  bool terminate_when_unhealthy = true;
  std::vector<double> healthy_z_range = {0.2, 1};

  template <typename V>
  void Fields(V& v) {
    RunOptions::Fields(v);
    v("healthy_reward", healthy_reward, "reward of a step that ends in a healthy state");
    v("terminate_when_unhealthy", terminate_when_unhealthy, "end the episode in unhealthy states");
    v("healthy_z_range", healthy_z_range, "[low, high]: heights of a healthy torso, m");
  }
};

struct Walker2dOptions : LeggedOptions {
  std::vector<double> healthy_angle_range = {-1, 1};

  Walker2dOptions() : LeggedOptions{{4, 1, 1e-3, 5e-3, true}, 1, true, {0.8, 2}} {}
  template <typename V>
  void Fields(V& v) {
    LeggedOptions::Fields(v);
    v("healthy_angle_range", healthy_angle_range, "[low, high]: pitch of a healthy torso, rad");
  }
};

struct HopperOptions : Walker2dOptions {
  std::vector<double> healthy_state_range = {-100, 100};

  HopperOptions() {
    healthy_z_range = {0.7, kInfinity};
    healthy_angle_range = {-0.2, 0.2};
  }
  template <typename V>
  void Fields(V& v) {
    Walker2dOptions::Fields(v);
    v("healthy_state_range", healthy_state_range,
      "[low, high]: every other position and velocity of a healthy state");
  }
};

struct AntOptions : LeggedOptions {
  double contact_cost_weight = 5e-4;
  std::string main_body = "1";
  std::vector<double> contact_force_range = {-1, 1};
  bool include_cfrc_ext_in_observation = true;

  AntOptions() { ctrl_cost_weight = 0.5; }
  template <typename V>
  void Fields(V& v) {
    LeggedOptions::Fields(v);
    v("contact_cost_weight", contact_cost_weight, "weight of the cost |contact forces|^2");
    v("main_body", main_body, "body whose speed counts: its name or number");
    v("contact_force_range", contact_force_range,
      "[low, high] that contact forces are clipped to, in the cost and the observation");
    v("include_cfrc_ext_in_observation", include_cfrc_ext_in_observation,
      "contact forces and torques of every body in the observation");
  }
};

// What the two humanoids observe.
struct HumanoidParts {
  bool include_cinert_in_observation = true;
  bool include_cvel_in_observation = true;
  bool include_qfrc_actuator_in_observation = true;
  bool include_cfrc_ext_in_observation = true;

  template <typename V>
  void Fields(V& v) {
    v("include_cinert_in_observation", include_cinert_in_observation,
      "mass and inertia of every body in the observation");
    v("include_cvel_in_observation", include_cvel_in_observation,
      "velocity of every body in the observation");
    v("include_qfrc_actuator_in_observation", include_qfrc_actuator_in_observation,
      "forces of the actuators on the joints in the observation");
    v("include_cfrc_ext_in_observation", include_cfrc_ext_in_observation,
      "contact forces and torques of every body in the observation");
  }
};

struct HumanoidOptions : LeggedOptions {
  double contact_cost_weight = 5e-7;
  std::vector<double> contact_cost_range = {-kInfinity, 10};
  HumanoidParts parts;

  HumanoidOptions() : LeggedOptions{{5, 1.25, 0.1, 0.01, true}, 5, true, {1, 2}} {}
  template <typename V>
  void Fields(V& v) {
    LeggedOptions::Fields(v);
    v("contact_cost_weight", contact_cost_weight, "weight of the cost |contact forces|^2");
    v("contact_cost_range", contact_cost_range, "[low, high] that the contact cost is clipped to");
    parts.Fields(v);
  }
};

struct HumanoidStandupOptions {
  int64_t frame_skip = 5;
  double uph_cost_weight = 1;
  double ctrl_cost_weight = 0.1;
  double impact_cost_weight = 5e-7;
  std::vector<double> impact_cost_range = {-kInfinity, 10};
  double reset_noise_scale = 0.01;
  bool exclude_current_positions_from_observation = true;
  HumanoidParts parts;

  template <typename V>
  void Fields(V& v) {
    v("frame_skip", frame_skip, "simulation steps an environment step", AtLeast(1));
    v("uph_cost_weight", uph_cost_weight, "weight of the torso's height / timestep");
    v("ctrl_cost_weight", ctrl_cost_weight, "weight of the cost |controls|^2");
    v("impact_cost_weight", impact_cost_weight, "weight of the cost |contact forces|^2");
    v("impact_cost_range", impact_cost_range, "[low, high] that the impact cost is clipped to");
    v("reset_noise_scale", reset_noise_scale, "how far starts are spread around the model's pose",
      AtLeast(0));
    v("exclude_current_positions_from_observation", exclude_current_positions_from_observation,
      "leave x and y of the torso out of the observation");
    parts.Fields(v);
  }
};

struct InvertedPendulumOptions {
  int64_t frame_skip = 2;
  double reset_noise_scale = 0.01;

  template <typename V>
  void Fields(V& v) {
    v("frame_skip", frame_skip, "simulation steps an environment step", AtLeast(1));
    v("reset_noise_scale", reset_noise_scale, "how far starts are spread around the model's pose",
      AtLeast(0));
  }
};

struct InvertedDoublePendulumOptions : InvertedPendulumOptions {
  double healthy_reward = 10;

  InvertedDoublePendulumOptions() : InvertedPendulumOptions{5, 0.1} {}
  template <typename V>
  void Fields(V& v) {
    InvertedPendulumOptions::Fields(v);
    v("healthy_reward", healthy_reward, "reward of a step that ends with the poles up");
  }
};

struct ReacherOptions {
  int64_t frame_skip = 2;
  double reward_dist_weight = 1;
  double reward_control_weight = 1;

  template <typename V>
  void Fields(V& v) {
    v("frame_skip", frame_skip, "simulation steps an environment step", AtLeast(1));
    v("reward_dist_weight", reward_dist_weight, "weight of the distance to the goal, m");
    v("reward_control_weight", reward_control_weight, "weight of the cost |action|^2");
  }
};

struct PusherOptions : ReacherOptions {
  double reward_near_weight = 0.5;

  PusherOptions() : ReacherOptions{5, 1, 0.1} {}
  template <typename V>
  void Fields(V& v) {
    ReacherOptions::Fields(v);
    v("reward_near_weight", reward_near_weight, "weight of the distance of tip and object, m");
  }
};

// Observation [17]: qpos without x (8), qvel (9).
std::unique_ptr<Env> MakeHalfCheetah(const RunOptions& options);

// Observation [8]: qpos without x and y (3), qvel (5).
std::unique_ptr<Env> MakeSwimmer(const RunOptions& options);

// Observation [11] and [17]: qpos without x (5, 8), qvel within +-10 (6, 9). Healthy: torso within
// its ranges of height and pitch; the hopper also in every other coordinate.
std::unique_ptr<Env> MakeHopper(const HopperOptions& options);
std::unique_ptr<Env> MakeWalker2d(const Walker2dOptions& options);

// Observation [105]: qpos without x and y (13), qvel (14), clipped cfrc_ext of the bodies (78).
std::unique_ptr<Env> MakeAnt(const AntOptions& options);

// Observation [348], both: qpos without x and y (22), qvel (23), then of the bodies cinert (130)
// and cvel (78), qfrc_actuator of the hinges (17), cfrc_ext of the bodies (78).
std::unique_ptr<Env> MakeHumanoid(const HumanoidOptions& options);
std::unique_ptr<Env> MakeHumanoidStandup(const HumanoidStandupOptions& options);

// Observation [4]: qpos (2), qvel (2). Success: not terminated, that is, pole within .2 rad.
std::unique_ptr<Env> MakeInvertedPendulum(const InvertedPendulumOptions& options);
// Observation [9]: cart x, sin of both angles, cos of both, qvel within +-10 (3), constraint force
// on the cart within +-10. Success: not terminated, that is, tip above 1 m.
std::unique_ptr<Env> MakeInvertedDoublePendulum(const InvertedDoublePendulumOptions& options);

// A target in the plane per episode. Observation [10]: cos of both angles, sin of both, target (2),
// their velocities (2), fingertip - target (2). Success: fingertip and target overlap.
std::unique_ptr<Env> MakeReacher(const ReacherOptions& options);

// A cylinder on a table and a goal disc; the cylinder's place is drawn per episode. Observation
// [23]: qpos and qvel of the arm (7, 7), positions of tip, cylinder and disc (9). Success: the
// cylinder's axis stands on the disc.
std::unique_ptr<Env> MakePusher(const PusherOptions& options);

}  // namespace v2r::gym
