// A scripted environment whose picture shows where it is, an encoder whose embedding is the
// picture, and rewards to do by hand.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "envs/vector_env.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "reward/make.h"

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
  bool goal_frames = false;  // goal grey 100 + 10 * (episode % 3)
  double start_noise = 0;    // x0 = noise * uniform of (seed, env, episode)
};

// x starts at 0 (or noise) and moves by the action; grey = 20 + 20 x: actions of 1 give the
// pictures 20 | 40 60 80 100. Same-step autoreset. The task's reward is 10 * x after the step.
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
      env_reward_[n] = static_cast<float>(10 * x_[n]);
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
            goal_id_, env_reward_, env_reward_,  terminated_, truncated_,
            success_, episode_id_, episode_step_};
  }

  ScriptOptions options_;
  VectorEnvSpec spec_;
  uint64_t seed_ = 0;
  std::vector<float> actions_;
  std::vector<float> obs_, next_obs_;
  std::vector<uint8_t> frame_, next_frame_, goal_frame_;
  std::vector<float> env_reward_;
  std::vector<uint8_t> terminated_, truncated_, success_;
  std::vector<double> x_;
  std::vector<int64_t> goal_id_, episode_id_, episode_step_, episode_, step_;
};

// Embedding = the 16x16 picture. Heads: "rank" rises with the upper half's grey, "steep" is its
// square-free double with an offset, "falling" is minus "rank", "wide" has two outputs.
inline std::shared_ptr<const Encoder> GreyEncoder(const std::string& metric = "l2") {
  EncoderSpec spec;
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  spec.input_size = kSide;
  spec.metric = metric;
  Rng rng(1);
  const auto net = MakeEncoderNet(spec, rng);
  const auto head = [&](double weight, int64_t outputs, int64_t hidden) {
    HeadSpec head_spec{net->output_dim(), {}, outputs};
    if (hidden > 0) head_spec.hidden = {hidden};
    auto made = std::make_shared<HeadImpl>(head_spec, rng);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : made->parameters()) parameter.fill_(parameter.dim() == 2 ? weight : 0.1);
    return made;
  };
  const double w = 1.0 / static_cast<double>(net->output_dim());
  return std::make_shared<const Encoder>(MakeEncoder(net,
                                                     {{"rank", head(w, 1, 0)},
                                                      {"bent", head(w, 1, 1)},
                                                      {"falling", head(-w, 1, 0)},
                                                      {"wide", head(w, 2, 0)}},
                                                     torch::kCPU, "float32"));
}

inline Clip GreyClip(const std::string& label, const std::vector<int>& greys) {
  Clip clip{"clip", label,
            torch::zeros({static_cast<int64_t>(greys.size()), kSide, kSide, 3}, torch::kUInt8), 25};
  for (size_t t = 0; t < greys.size(); ++t) PaintGrey(greys[t], clip.frames[t].data_ptr<uint8_t>());
  return clip;
}

// Two demonstrations 20 40 60 80 100: start-goal distance 80 greys, so d = |grey - 100| / 80.
inline ClipSet GreyDemos() {
  ClipSet clips;
  clips.clips = {GreyClip("good", {20, 40, 60, 80, 100}), GreyClip("good", {20, 40, 60, 80, 100})};
  return clips;
}

// Env, reward model and everything between, as the application assembles them.
inline std::unique_ptr<VectorEnv> Assemble(const RewardOptions& options,
                                           const ScriptOptions& script,
                                           std::shared_ptr<const Encoder> encoder = GreyEncoder(),
                                           const ClipSet& demos = GreyDemos(), uint64_t seed = 7) {
  if (options.name == "true") encoder = nullptr;
  auto reward = MakeRewardModel(options, encoder, torch::kCPU);
  reward->Calibrate(EmbedDemos(options, encoder.get(), demos));
  return MakeLearnedRewardEnv(std::make_unique<ScriptedEnv>(script), encoder, std::move(reward),
                              options, seed);
}

// `steps` steps with the actions of `policy(t, n)`, then FinishRollout: rewards [T*N], from
// wherever the env delivers them.
template <typename Policy>
std::vector<float> Rollout(VectorEnv& env, int64_t steps, Policy policy,
                           Metrics* metrics = nullptr) {
  const int64_t count = env.Spec().num_envs;
  std::vector<float> rewards(steps * count), actions(count);
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t n = 0; n < count; ++n) actions[n] = policy(t, n);
    const auto view = env.Step(actions);
    std::copy(view.reward.begin(), view.reward.end(), rewards.begin() + t * count);
  }
  Metrics unused;
  env.FinishRollout(rewards, metrics != nullptr ? *metrics : unused);
  return rewards;
}
inline float Forward(int64_t, int64_t) { return 1.0f; }
// A policy that differs by step and env.
inline float Wander(int64_t t, int64_t n) {
  return static_cast<float>(0.6 + 0.4 * std::sin(1.7 * static_cast<double>(t + 3 * n)));
}

inline RewardOptions Options(const std::string& name) {
  RewardOptions options;
  options.name = name;
  options.dtype = "float32";
  return options;
}

}  // namespace v2r::testing
