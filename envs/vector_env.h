// VectorEnv: N simulations behind one batch interface, with pictures. Any agent can drive it: spans only, no torch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/rng.h"
#include "core/safetensors.h"

namespace v2r {

// A named part of what a step tells besides observation and reward (Gymnasium's `info`).
struct InfoField {
  std::string name;  // "reward_forward"
  int64_t size = 1;
};

struct VectorEnvSpec {
  std::string name;                      // "v2r/reach"
  int64_t num_envs = 0;                  // N
  int64_t obs_dim = 0;                   // floats an observation
  int64_t act_dim = 0;                   // floats an action
  std::vector<float> act_low, act_high;  // [act_dim]; actions outside are clipped by the env
  int64_t max_episode_steps = 0;
  double control_dt = 0;                 // seconds a step
  int64_t height = 0, width = 0;         // of the pictures; 0 when nothing is rendered
  std::vector<std::string> extra_cameras;  // [C] names of env.cameras, then of env.views
  bool has_depth = false, has_segmentation = false;  // env.modalities
  int64_t render_every = 1;              // pictures are drawn at every k-th step of an episode
  bool has_goal_frame = false;           // the task draws a goal picture per episode
  bool deferred_rewards = false;         // `reward` is NaN until FinishRollout
  std::vector<InfoField> info;           // what BatchView::info holds, in this order
  int64_t info_dim = 0;                  // sum of their sizes
};

// What one step (or reset) gives. Views into arrays the env owns: valid until the next StepAsync or Reset.
// N = num_envs, O = obs_dim; pictures are [N,H,W,3] uint8 RGB and empty when nothing is rendered.
// `obs`/`frame` are what the policy acts on next (after an autoreset); `next_obs`/`next_frame` come after the step and before any
// reset: input of the reward and of the time-limit bootstrap. They are equal where the episode goes on. After Reset() both are the
// first state.
//
// Further pictures (env.cameras, env.views, env.modalities) come in the same two kinds, C = extra_cameras.size():
// - depth: metres along the camera's axis. With n and f the near and far plane (mjModel's vis.map.znear and .zfar times
//   stat.extent) and d what mjr_readPixels gives with mjDEPTH_ZEROFAR (1 at n, 0 at f): n f / (n + d (f - n)), for an orthographic
//   camera f - d (f - n); f where nothing is (MuJoCo 3.17, rendering/classic/renderer.py).
// - segmentation: object id and type (mjtObj: 5 geom, 6 site, ...) of the nearest object, -1 -1 where nothing is, as MuJoCo's
//   Python renderer gives them. Depth and segmentation are those at the pixels' centres: without multi- or supersampling.
// With env.render_every = k > 1 pictures are drawn at steps k, 2k, ... of an episode and of its first and last state; in between all
// of them stay, and frame_fresh is 0.
struct BatchView {
  std::span<const float> obs;             // [N,O]
  std::span<const float> next_obs;        // [N,O]
  std::span<const uint8_t> frame;         // [N,H,W,3]
  std::span<const uint8_t> next_frame;    // [N,H,W,3]
  std::span<const uint8_t> goal_frame;    // [N,H,W,3] goal of the episode that the step just taken belongs to, or empty
  std::span<const int64_t> goal_id;       // [N] changes when goal_frame does
  std::span<const double> env_reward;     // [N] the task's true reward: for logs and baselines
  std::span<const float> reward;          // [N] what the agent learns from (= env_reward without a decorator)
  std::span<const uint8_t> terminated;    // [N] 0/1
  std::span<const uint8_t> truncated;     // [N] 0/1
  std::span<const uint8_t> success;       // [N] 0/1, of the state after the step
  std::span<const int64_t> episode_id;    // [N] episode the step belonged to (counts per env from 0)
  std::span<const int64_t> episode_step;  // [N] 1 after the first step of an episode, 0 after Reset()
  std::span<const double> info;           // [N, info_dim] of the step just taken (0 after Reset()), or empty
  // Empty where they are not drawn.
  std::span<const uint8_t> frame_fresh;   // [N] 0/1, the pictures are of these states
  std::span<const uint8_t> extra_frames;  // [C,N,H,W,3]
  std::span<const uint8_t> next_extra_frames;
  std::span<const float> depth;           // [N,H,W]
  std::span<const float> next_depth;
  std::span<const float> extra_depth;     // [C,N,H,W]
  std::span<const float> next_extra_depth;
  std::span<const int32_t> segmentation;  // [N,H,W,2]
  std::span<const int32_t> next_segmentation;
  std::span<const int32_t> extra_segmentation;  // [C,N,H,W,2]
  std::span<const int32_t> next_extra_segmentation;
};

// A state to start from. What is empty stays as mj_resetData leaves it; `model` holds whole arrays of mjModel ("geom_pos") and
// is for tasks that keep a model of their own for each simulation.
struct StartState {
  std::vector<double> qpos, qvel, act, qacc_warmstart, ctrl;
  double time = 0;
  std::map<std::string, std::vector<double>> model;
};

// Who drives a filmed demonstration.
enum class ExpertSkill { kGood, kNearMiss, kRandom };

class VectorEnv {
 public:
  virtual ~VectorEnv() = default;
  virtual const VectorEnvSpec& Spec() const = 0;

  // Starts episode 0 everywhere; env i, episode k draws from Rng(seed).Fork("env", i).Fork("episode", k).
  virtual BatchView Reset(uint64_t seed) = 0;
  // actions: [N, act_dim], copied. UserError naming env and index when one is NaN or infinite. Returns at once.
  virtual void StepAsync(std::span<const float> actions) = 0;
  // Waits for the step. A worker thread's exception surfaces here.
  virtual BatchView StepWait() = 0;
  // Both in one, where nothing is to be done meanwhile: an env that has a thread of its own for StepAsync need not wake it.
  virtual BatchView Step(std::span<const float> actions) {
    StepAsync(actions);
    return StepWait();
  }

  // With deferred rewards: fills `rewards` [T,N] (row t = step t of the rollout since the last call) and lets online parts of the
  // reward learn; called once a rollout, before advantages are computed. Without: leaves `rewards` alone. Adds metrics ("reward/...").
  virtual void FinishRollout(std::span<float> rewards, Metrics& metrics) = 0;

  // Actions [N, act_dim] of the task's scripted expert in the present states. UserError when the task has none.
  virtual void ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) = 0;
  // True task quantities of the present states for offline reports, e.g. the distance to the goal in metres: [N].
  virtual void TrueDistance(std::span<float> distance) const = 0;

  // Starts a new episode of env `i` from `start` (Gymnasium's set_state). The other envs stay where they are; returns the view after
  // it, as Reset does. UserError: wrong sizes, NaN, a task that has more to its state (a goal).
  virtual BatchView SetState(int64_t i, const StartState& start);

  // Starts the next episode of the envs i with mask[i] != 0, [N] (Gymnasium's reset_mask: what autoreset "disabled" waits for). The
  // others stay where they are; returns the view after it, as Reset does.
  virtual BatchView Restart(std::span<const uint8_t> mask);

  // Everything a bit-exact continuation needs; call only at rollout ends. Decorators chain with their own names.
  virtual void SaveState(StateDict& state) const = 0;
  virtual void LoadState(const StateDict& state) = 0;

  // Seconds since construction, by part: "time/env", "time/render", "time/encode", ...
  virtual Metrics Timings() const = 0;
};

// Base of decorators: forwards everything.
class VectorEnvDecorator : public VectorEnv {
 public:
  explicit VectorEnvDecorator(std::unique_ptr<VectorEnv> inner) : inner_(std::move(inner)) {}
  const VectorEnvSpec& Spec() const override { return inner_->Spec(); }
  BatchView Reset(uint64_t seed) override { return inner_->Reset(seed); }
  void StepAsync(std::span<const float> actions) override { inner_->StepAsync(actions); }
  BatchView StepWait() override { return inner_->StepWait(); }
  void FinishRollout(std::span<float> rewards, Metrics& metrics) override {
    inner_->FinishRollout(rewards, metrics);
  }
  void ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) override {
    inner_->ExpertActions(skill, rng, actions);
  }
  void TrueDistance(std::span<float> distance) const override { inner_->TrueDistance(distance); }
  BatchView SetState(int64_t i, const StartState& start) override { return inner_->SetState(i, start); }
  BatchView Restart(std::span<const uint8_t> mask) override { return inner_->Restart(mask); }
  void SaveState(StateDict& state) const override { inner_->SaveState(state); }
  void LoadState(const StateDict& state) override { inner_->LoadState(state); }
  Metrics Timings() const override { return inner_->Timings(); }

 protected:
  std::unique_ptr<VectorEnv> inner_;
};

}  // namespace v2r
