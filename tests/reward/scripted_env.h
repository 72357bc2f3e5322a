// A scripted environment whose picture shows where it is: rewards can be done by hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "envs/vector_env.h"

namespace v2r::testing {

constexpr int64_t kSide = 16;
constexpr int kGoalGrey = 100;

// Upper half of grey `value`, lower half 200.
inline void PaintGrey(int value, uint8_t* picture) {
  std::fill_n(picture, kSide * kSide * 3 / 2, static_cast<uint8_t>(value));
  std::fill_n(picture + kSide * kSide * 3 / 2, kSide * kSide * 3 / 2, uint8_t{200});
}

struct ScriptOptions {
  int64_t num_envs = 1;
  std::vector<int64_t> episode_steps = {4};  // of env n: entry n modulo the size
  bool terminates = true;                    // else truncates
  bool render = true;
  int64_t render_every = 1;
  bool goal_frames = false;  // goal grey 100 + 10 * (episode % 3)
  double start_noise = 0;    // x0 = noise * uniform of (seed, env, episode)
};

// x starts at 0 (or noise) and moves by the action; grey = 20 + 20 x: actions of 1 give the
// pictures 20 | 40 60 80 100. Same-step autoreset. The task's reward is 10 * x after the
// step, its success x >= 4.
class ScriptedEnv : public VectorEnv {
 public:
  explicit ScriptedEnv(const ScriptOptions& options)
      : options_(options),
        obs_(options.num_envs),
        next_obs_(options.num_envs),
        frame_(options.render ? options.num_envs * kBytes : 0),
        next_frame_(frame_.size()),
        goal_frame_(options.goal_frames ? options.num_envs * kBytes : 0),
        env_reward_(options.num_envs),
        reward_(options.num_envs),
        terminated_(options.num_envs),
        truncated_(options.num_envs),
        success_(options.num_envs),
        x_(options.num_envs),
        goal_id_(options.num_envs),
        episode_id_(options.num_envs),
        episode_step_(options.num_envs),
        episode_(options.num_envs),
        step_(options.num_envs) {
    spec_.name = "scripted";
    spec_.num_envs = options.num_envs;
    spec_.obs_dim = spec_.act_dim = 1;
    spec_.act_low = {-1};
    spec_.act_high = {1};
    spec_.max_episode_steps = 4;
    spec_.height = spec_.width = options.render ? kSide : 0;
    spec_.render_every = options.render_every;
    spec_.has_goal_frame = options.goal_frames;
  }
  const VectorEnvSpec& Spec() const override { return spec_; }

  BatchView Reset(uint64_t seed) override {
    seed_ = seed;
    for (int64_t n = 0; n < options_.num_envs; ++n) {
      episode_[n] = 0;
      Start(n);
      ShowPresent(n, next_frame_, next_obs_);
      terminated_[n] = truncated_[n] = 0;
      env_reward_[n] = 0;
      reward_[n] = 0;
      episode_id_[n] = episode_step_[n] = 0;
      ShowGoal(n);
    }
    return View();
  }
  void StepAsync(std::span<const float> actions) override {
    actions_.assign(actions.begin(), actions.end());
  }
  BatchView StepWait() override {
    for (int64_t n = 0; n < options_.num_envs; ++n) {
      x_[n] += actions_[n];
      episode_step_[n] = ++step_[n];
      episode_id_[n] = episode_[n];
      env_reward_[n] = 10 * x_[n];
      success_[n] = x_[n] >= 4;
      reward_[n] = static_cast<float>(env_reward_[n]);
      ShowGoal(n);
      ShowPresent(n, next_frame_, next_obs_);
      ShowPresent(n, frame_, obs_);
      const int64_t limit = options_.episode_steps[n % options_.episode_steps.size()];
      const bool done = step_[n] == limit;
      terminated_[n] = done && options_.terminates;
      truncated_[n] = done && !options_.terminates;
      if (done) {
        ++episode_[n];
        Start(n);
      }
    }
    return View();
  }
  void FinishRollout(std::span<float>, Metrics&) override {}
  void ExpertActions(ExpertSkill, Rng&, std::span<float> actions) override {
    std::fill(actions.begin(), actions.end(), 1.0f);
  }
  void TrueDistance(std::span<float> distance) const override {
    for (int64_t n = 0; n < options_.num_envs; ++n)
      distance[n] = std::abs(static_cast<float>(x_[n]) - 4);
  }
  void SaveState(StateDict& state) const override {
    state["scripted.x"] = Blob::Of<double>(x_);
    state["scripted.episode"] = Blob::Of<int64_t>(episode_);
    state["scripted.step"] = Blob::Of<int64_t>(step_);
    state["scripted.seed"] = Blob::Scalar(static_cast<int64_t>(seed_));
  }
  void LoadState(const StateDict& state) override {
    const auto x = state.at("scripted.x").as<double>();
    const auto episode = state.at("scripted.episode").as<int64_t>();
    const auto step = state.at("scripted.step").as<int64_t>();
    x_.assign(x.begin(), x.end());
    episode_.assign(episode.begin(), episode.end());
    step_.assign(step.begin(), step.end());
    seed_ = static_cast<uint64_t>(RequireScalar<int64_t>(state, "scripted.seed", "test"));
  }
  Metrics Timings() const override { return {{"time/env", 0.5}}; }

 private:
  static constexpr int64_t kBytes = kSide * kSide * 3;
  void Start(int64_t n) {
    Rng rng = Rng(seed_).Fork("env", n).Fork("episode", episode_[n]);
    x_[n] = options_.start_noise * rng.Uniform();
    step_[n] = 0;
    ShowPresent(n, frame_, obs_);
  }
  void ShowPresent(int64_t n, std::vector<uint8_t>& frames, std::vector<float>& obs) {
    obs[n] = static_cast<float>(x_[n]);
    if (options_.render) {
      PaintGrey(std::clamp(static_cast<int>(std::lround(20 + 20 * x_[n])), 0, 255),
                &frames[n * kBytes]);
    }
  }
  void ShowGoal(int64_t n) {
    goal_id_[n] = episode_[n] * options_.num_envs + n;
    if (options_.goal_frames) {
      PaintGrey(kGoalGrey + 10 * static_cast<int>(episode_[n] % 3), &goal_frame_[n * kBytes]);
    }
  }
  BatchView View() const {
    return {obs_,     next_obs_,   frame_,       next_frame_, goal_frame_,
            goal_id_, env_reward_, reward_,      terminated_, truncated_,
            success_, episode_id_, episode_step_};
  }

  ScriptOptions options_;
  VectorEnvSpec spec_;
  uint64_t seed_ = 0;
  std::vector<float> actions_;
  std::vector<float> obs_, next_obs_;
  std::vector<uint8_t> frame_, next_frame_, goal_frame_;
  std::vector<double> env_reward_;
  std::vector<float> reward_;
  std::vector<uint8_t> terminated_, truncated_, success_;
  std::vector<double> x_;
  std::vector<int64_t> goal_id_, episode_id_, episode_step_, episode_, step_;
};

}  // namespace v2r::testing
