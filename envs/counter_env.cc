#include "envs/counter_env.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace v2r {
namespace {

class CounterEnv : public VectorEnv {
 public:
  CounterEnv(int64_t num_envs, int64_t episode_steps, int64_t size) {
    spec_.name = "counter";
    spec_.num_envs = num_envs;
    spec_.obs_dim = 2;
    spec_.act_dim = 1;
    spec_.act_low = {-1};
    spec_.act_high = {1};
    spec_.max_episode_steps = episode_steps;
    spec_.control_dt = 1;
    spec_.height = spec_.width = size;
    const size_t n = num_envs, frames = n * size * size * 3;
    obs_.resize(n * 2);
    next_obs_.resize(n * 2);
    env_reward_.resize(n);
    reward_.resize(n);
    frame_.resize(frames);
    next_frame_.resize(frames);
    for (auto* v : {&zeros_, &truncated_}) v->resize(n);
    for (auto* v : {&goal_id_, &episode_, &episode_id_, &step_, &episode_step_}) v->resize(n);
  }

  const VectorEnvSpec& Spec() const override { return spec_; }

  BatchView Reset(uint64_t) override {
    for (auto* v : {&episode_, &step_}) std::fill(v->begin(), v->end(), 0);
    std::fill(truncated_.begin(), truncated_.end(), 0);
    std::fill(env_reward_.begin(), env_reward_.end(), 0.0);
    std::fill(reward_.begin(), reward_.end(), 0.f);
    Show(next_obs_, next_frame_);
    episode_id_ = episode_;
    episode_step_ = step_;
    Show(obs_, frame_);
    return View();
  }
  void StepAsync(std::span<const float> actions) override {
    V2R_CHECK_EQ(static_cast<int64_t>(actions.size()), spec_.num_envs);
    for (size_t i = 0; i < actions.size(); ++i) {
      if (!std::isfinite(actions[i])) ThrowUser("counter: action 0 of env {} is {}", i, actions[i]);
    }
  }
  BatchView StepWait() override {
    for (int64_t& step : step_) ++step;
    Show(next_obs_, next_frame_);
    episode_id_ = episode_;
    episode_step_ = step_;
    for (int64_t i = 0; i < spec_.num_envs; ++i) {
      env_reward_[i] = static_cast<double>(step_[i]);
      reward_[i] = static_cast<float>(step_[i]);
      truncated_[i] = step_[i] >= spec_.max_episode_steps;
      if (!truncated_[i]) continue;
      ++episode_[i];
      step_[i] = 0;
    }
    Show(obs_, frame_);
    return View();
  }
  void FinishRollout(std::span<float>, Metrics&) override {}
  void ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) override {
    for (float& a : actions) {
      a = skill == ExpertSkill::kGood       ? 1.f
          : skill == ExpertSkill::kNearMiss ? 0.f
                                            : static_cast<float>(rng.Uniform(-1, 1));
    }
  }
  void TrueDistance(std::span<float> distance) const override {
    for (size_t i = 0; i < distance.size(); ++i) {
      distance[i] = static_cast<float>(spec_.max_episode_steps - step_[i]);
    }
  }
  void SaveState(StateDict& state) const override {
    state["step"] = Blob::Of<int64_t>(step_);
    state["episode"] = Blob::Of<int64_t>(episode_);
  }
  void LoadState(const StateDict& state) override {
    const auto step = Require(state, "step", "environment state").as<int64_t>();
    const auto episode = Require(state, "episode", "environment state").as<int64_t>();
    if (step.size() != step_.size() || episode.size() != step_.size()) {
      ThrowUser("environment state is of {} envs, this one has {}", step.size(), step_.size());
    }
    std::copy(step.begin(), step.end(), step_.begin());
    std::copy(episode.begin(), episode.end(), episode_.begin());
  }
  Metrics Timings() const override { return {{"time/env", 0.0}, {"time/render", 0.0}}; }

 private:
  void Show(std::vector<float>& obs, std::vector<uint8_t>& frames) const {
    const int64_t bytes = spec_.height * spec_.width * 3;
    for (int64_t i = 0; i < spec_.num_envs; ++i) {
      obs[2 * i] = static_cast<float>(step_[i]);
      obs[2 * i + 1] = static_cast<float>(episode_[i]);
      uint8_t* frame = frames.data() + i * bytes;
      for (int64_t p = 0; p < bytes; p += 3) {
        frame[p] = static_cast<uint8_t>(step_[i]);
        frame[p + 1] = static_cast<uint8_t>(i);
        frame[p + 2] = static_cast<uint8_t>(episode_[i]);
      }
    }
  }
  BatchView View() const {
    BatchView v;
    v.obs = obs_;
    v.next_obs = next_obs_;
    v.frame = frame_;
    v.next_frame = next_frame_;
    v.goal_id = goal_id_;
    v.env_reward = env_reward_;
    v.reward = reward_;
    v.terminated = zeros_;
    v.truncated = v.success = truncated_;
    v.episode_id = episode_id_;
    v.episode_step = episode_step_;
    return v;
  }

  VectorEnvSpec spec_;
  std::vector<float> obs_, next_obs_, reward_;
  std::vector<double> env_reward_;
  std::vector<uint8_t> frame_, next_frame_, zeros_, truncated_;
  std::vector<int64_t> goal_id_, episode_, episode_id_, step_, episode_step_;
};

}  // namespace

std::unique_ptr<VectorEnv> MakeCounterEnv(int64_t num_envs, int64_t episode_steps, int64_t size) {
  return std::make_unique<CounterEnv>(num_envs, episode_steps, size);
}

}  // namespace v2r
