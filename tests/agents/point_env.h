// A point on a line that must go to a goal: an analytic VectorEnv for tests of the agent and its
// loop.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "core/error.h"
#include "envs/vector_env.h"

namespace v2r {

struct PointEnvOptions {
  int64_t num_envs = 8;
  int64_t max_episode_steps = 10;
  bool deferred =
      false;          // rewards come from FinishRollout, with a scale that changes with every call
  double wall = 1e9;  // |x| beyond it terminates
  int64_t short_every =
      0;  // environments with i % short_every == 0 have episodes of half the length
};

// Observation [x, goal], action [dx] (5 units of it move by 1, clipped to +-1), true reward -|x -
// goal|; the reward learned from is
// -(x - goal)^2 with deferred rewards, else the true one.
class PointEnv : public VectorEnv {
 public:
  explicit PointEnv(const PointEnvOptions& options) : options_(options) {
    spec_.name = "test/point";
    spec_.num_envs = options.num_envs;
    spec_.obs_dim = 2;
    spec_.act_dim = 1;
    spec_.act_low = {-1};
    spec_.act_high = {1};
    spec_.max_episode_steps = options.max_episode_steps;
    spec_.deferred_rewards = options.deferred;
    const auto n = static_cast<size_t>(options.num_envs);
    x_.resize(n);
    goal_.resize(n);
    episode_.resize(n);
    episode_step_.resize(n);
    obs_.resize(2 * n);
    next_obs_.resize(2 * n);
    env_reward_.resize(n);
    reward_.resize(n);
    for (auto* flags : {&terminated_, &truncated_, &success_}) flags->resize(n);
    done_episode_.resize(n);
    done_step_.resize(n);
  }

  const VectorEnvSpec& Spec() const override { return spec_; }
  BatchView Reset(uint64_t seed) override {
    seed_ = seed;
    late_.clear();
    for (size_t i = 0; i < x_.size(); ++i) {
      episode_[i] = 0;
      Begin(i);
      Observe(i, obs_);
      Observe(i, next_obs_);
      done_episode_[i] = done_step_[i] = 0;
      terminated_[i] = truncated_[i] = success_[i] = 0;
    }
    return View();
  }
  void StepAsync(std::span<const float> actions) override {
    actions_.assign(actions.begin(), actions.end());
  }
  BatchView StepWait() override {
    for (size_t i = 0; i < x_.size(); ++i) {
      x_[i] += 0.2 * std::clamp<double>(actions_[i], -1.0, 1.0);
      ++episode_step_[i];
      const double distance = std::abs(x_[i] - goal_[i]);
      env_reward_[i] = -distance;
      late_.push_back(static_cast<float>(-distance * distance));
      reward_[i] = options_.deferred ? std::numeric_limits<float>::quiet_NaN()
                                      : static_cast<float>(env_reward_[i]);
      success_[i] = distance < 0.1;
      terminated_[i] = std::abs(x_[i]) > options_.wall;
      truncated_[i] = !terminated_[i] && episode_step_[i] >= Limit(i);
      done_episode_[i] = episode_[i];
      done_step_[i] = episode_step_[i];
      Observe(i, next_obs_);
      if (terminated_[i] || truncated_[i]) {
        ++episode_[i];
        Begin(i);
      }
      Observe(i, obs_);
    }
    return View();
  }
  void FinishRollout(std::span<float> rewards, Metrics& metrics) override {
    if (options_.deferred) {
      V2R_CHECK_EQ(rewards.size(), late_.size());
      for (size_t k = 0; k < rewards.size(); ++k)
        rewards[k] = late_[k] * static_cast<float>(scale_);
      scale_ *= 1.01;
      metrics["reward/scale"] = scale_;
    }
    late_.clear();
  }
  void ExpertActions(ExpertSkill, Rng&, std::span<float> actions) override {
    for (size_t i = 0; i < x_.size(); ++i) {
      actions[i] = static_cast<float>(std::clamp(5.0 * (goal_[i] - x_[i]), -1.0, 1.0));
    }
  }
  void TrueDistance(std::span<float> distance) const override {
    for (size_t i = 0; i < x_.size(); ++i)
      distance[i] = static_cast<float>(std::abs(x_[i] - goal_[i]));
  }
  void SaveState(StateDict& state) const override {
    state["x"] = Blob::Of<double>(x_);
    state["goal"] = Blob::Of<double>(goal_);
    state["episode"] = Blob::Of<int64_t>(episode_);
    state["episode_step"] = Blob::Of<int64_t>(episode_step_);
    state["scale"] = Blob::Scalar<double>(scale_);
    state["seed"] = Blob::Scalar<int64_t>(static_cast<int64_t>(seed_));
  }
  void LoadState(const StateDict& state) override {
    const auto read = [&](const char* name, auto& values) {
      const auto from =
          Require(state, name, "test").as<typename std::decay_t<decltype(values)>::value_type>();
      values.assign(from.begin(), from.end());
    };
    read("x", x_);
    read("goal", goal_);
    read("episode", episode_);
    read("episode_step", episode_step_);
    scale_ = RequireScalar<double>(state, "scale", "test");
    seed_ = static_cast<uint64_t>(RequireScalar<int64_t>(state, "seed", "test"));
  }
  Metrics Timings() const override { return {{"time/env", 0.0}}; }

 private:
  int64_t Limit(size_t i) const {
    const bool is_short =
        options_.short_every > 0 && static_cast<int64_t>(i) % options_.short_every == 0;
    return is_short ? options_.max_episode_steps / 2 : options_.max_episode_steps;
  }
  void Begin(size_t i) {
    Rng rng = Rng(seed_).Fork("env", i).Fork("episode", static_cast<uint64_t>(episode_[i]));
    x_[i] = rng.Uniform(-1.0, 1.0);
    goal_[i] = rng.Uniform(-1.0, 1.0);
    episode_step_[i] = 0;
  }
  void Observe(size_t i, std::vector<float>& out) const {
    out[2 * i] = static_cast<float>(x_[i]);
    out[2 * i + 1] = static_cast<float>(goal_[i]);
  }
  BatchView View() const {
    BatchView view;
    view.obs = obs_;
    view.next_obs = next_obs_;
    view.env_reward = env_reward_;
    view.reward = reward_;
    view.terminated = terminated_;
    view.truncated = truncated_;
    view.success = success_;
    view.episode_id = done_episode_;
    view.episode_step = done_step_;
    return view;
  }

  PointEnvOptions options_;
  VectorEnvSpec spec_;
  uint64_t seed_ = 0;
  double scale_ = 1.0;
  std::vector<double> x_, goal_;
  std::vector<int64_t> episode_, episode_step_, done_episode_, done_step_;
  std::vector<float> actions_, obs_, next_obs_, reward_, late_;
  std::vector<double> env_reward_;
  std::vector<uint8_t> terminated_, truncated_, success_;
};

}  // namespace v2r
