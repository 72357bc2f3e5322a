// What Meta-World's tasks share: the arm that a mocap body leads, the order of a step and of a
// start, the observation, the names of info (metaworld 3.1.1: sawyer_xyz_env.py).
#pragma once

#include <array>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "envs/dmc/tolerance.h"
#include "envs/env.h"
#include "envs/expert.h"
#include "envs/metaworld/classes.h"
#include "envs/metaworld/vec3.h"

namespace v2r::metaworld {

// A quaternion in the order that the task observes it in.
using Quat = std::array<double, 4>;

class SawyerEnv : public Env {
 public:
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override;
  void Reset(Sim sim, Rng& rng, EnvRow row) override;
  // Takes the place of the thing from the model (body_pos; Reach: site_pos of its goal). The mocap
  // body starts at its body_pos too, at the hand where that is the MJCF's. What a reward compares
  // with is that of the last Reset: where the hand starts is the same in all of them.
  void Enter(Sim sim, EnvRow row) override;
  void Step(Sim sim, std::span<const float> action, EnvRow row) override;
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override;
  std::span<double> Memory() override { return AsDoubles(memory_); }
  void Restored(Sim sim) override;

 protected:
  struct Scene {
    const char* xml;  // of metaworld/assets/sawyer_xyz
    FreeView view;
    Vec3 hand;    // where a start leads the hand
    mjtObj kind;  // of the thing that is placed
    const char* thing;
    Vec3 goal;                                    // from the thing
    std::vector<double> random_low, random_high;  // of rand_vec; its last three place the thing
    Vec3 goal_low, goal_high;                     // that an observed goal is clipped to
  };
  // What a step tells, in Meta-World's words.
  struct Outcome {
    double reward = 0;
    bool success = false;
    double near_object = 0, grasp_success = 0, grasp_reward = 0, in_place_reward = 0;
    double obj_to_target = 0;
  };
  // What an expert wants: the mocap body's next place and the fingers' action.
  struct Move {
    Vec3 to;
    double grip = 0;
  };

  SawyerEnv(Scene scene, const SawyerOptions& options);

  virtual void LookUp(const mjModel* model) = 0;
  // Whether Meta-World draws once more.
  virtual bool Refused(std::span<const double>) const { return false; }
  // What reset_model does after the hand has got to its start, up to the first observation.
  virtual void Settle(Sim sim, std::span<const double> rand_vec) = 0;
  virtual Vec3 Goal(Sim) const { return memory_.thing + scene_.goal; }
  virtual Vec3 Object(Sim sim) const = 0;
  virtual Quat Orientation(Sim sim) const = 0;
  virtual Outcome JudgeV1(Sim sim) const = 0;
  virtual Outcome JudgeV2(Sim sim) const = 0;
  // Of a near miss's end, m.
  virtual double DrawMiss(Rng& rng) const = 0;
  virtual Move Lead(Sim sim, bool miss) const = 0;

  static Vec3 Mocap(Sim sim) { return At(sim.data->mocap_pos); }
  Vec3 Hand(Sim sim) const { return At(sim.data->xpos + 3 * hand_); }
  // Between the fingertips ("tcp_center").
  Vec3 Tip(Sim sim) const {
    return 0.5 *
           (At(sim.data->site_xpos + 3 * right_tip_) + At(sim.data->site_xpos + 3 * left_tip_));
  }
  // Of the last observation, as rewards see them: the hand clipped to its space.
  Vec3 SeenHand() const { return At(obs_.data()); }
  double SeenOpening() const { return obs_[3]; }

  // Meta-World's v1 reward of what is `left` of a way of `way` metres.
  static double Progress(double way, double left);
  // Fall from 1 at `upper` on to 0.1 at `margin` more.
  static double Near(double x, double upper, double margin,
                     dmc::Sigmoid sigmoid = dmc::Sigmoid::kLongTail) {
    return dmc::Tolerance(x, {-std::numeric_limits<double>::infinity(), upper, margin, sigmoid});
  }

  struct State {
    double frame[18] = {};  // of the last observation, not clipped
    Vec3 thing;             // its place
    Vec3 first_tip;         // before the first step ("init_tcp")
    double way = 0;         // DoorClose: from the open handle to the goal, seen from above
    double miss = 0;        // where a near miss ends, m from the goal
    Vec3 aside;             // and in which direction: not behind or below it
    HabitOf<4> habit;
  };
  EnvSpec spec_;
  State memory_;

 private:
  void Furnish();
  void Advance(Sim sim, Vec3 mocap, double grip) const;
  void Observe(Sim sim, bool first);
  void Clip();
  Outcome Judge(Sim sim) const { return v2_ ? JudgeV2(sim) : JudgeV1(sim); }
  void Begin(Sim sim, EnvRow row) const;

  Scene scene_;
  bool goal_hidden_, v2_;
  bool drawn_;                    // rand_vec is, for each episode
  std::vector<double> rand_vec_;  // of the last Reset
  std::array<double, 39> obs_{};
  mjtNum *thing_pos_ = nullptr, *goal_pos_ = nullptr, *mocap_home_ = nullptr;  // in the model
  int mocap_ = -1, hand_ = -1, right_claw_ = -1, left_claw_ = -1, right_tip_ = -1, left_tip_ = -1;
};

// Of a rotation matrix, (x, y, z, w), as SciPy's Rotation gives it.
Quat QuatOfMatrix(const mjtNum* matrix);

}  // namespace v2r::metaworld
