// What the tests of envs share: small environments, actions by seed, and what a step showed as
// plain values.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/rng.h"
#include "envs/make.h"
#include "tests/envs/mjcf_model.h"

namespace v2r {

inline EnvOptions Small(const std::string& id, int64_t num_envs = 4, bool render = false) {
  EnvOptions options;
  options.id = id;
  options.num_envs = num_envs;
  options.env_threads = options.render_threads = 2;
  options.render = render;
  options.frame_size = 32;
  if (id == "mjcf") options.task = UserTask();
  return options;
}

// The tasks of this project promise more than others: a scripted expert, distractors, observations
// of order one.
inline bool IsOwn(const std::string& id) { return id.starts_with("v2r/"); }

// With distractors: all that there are, or those that ask nothing of the model.
inline EnvOptions Busy(EnvOptions options) {
  options.distractors.light = "per_episode";
  options.distractors.camera_jitter = 0.05;
  if (IsOwn(options.id)) {
    options.distractors.moving = 3;
    options.distractors.background = "noise";
  }
  return options;
}

// Every action uniform around the middle of its bounds, `scale` times as far as they reach: by
// default some are outside.
inline std::vector<float> RandomActions(const VectorEnvSpec& spec, Rng& rng, double scale = 1.2) {
  std::vector<float> actions(spec.num_envs * spec.act_dim);
  for (size_t k = 0; k < actions.size(); ++k) {
    const size_t j = k % spec.act_dim;
    const double middle = (spec.act_high[j] + spec.act_low[j]) / 2;
    const double half = (spec.act_high[j] - spec.act_low[j]) / 2;
    actions[k] = static_cast<float>(middle + half * rng.Uniform(-scale, scale));
  }
  return actions;
}

// A copy of all that one step gave.
struct Seen {
  std::vector<float> obs, next_obs, reward;
  std::vector<uint8_t> frame, next_frame, goal_frame, terminated, truncated, success;
  std::vector<int64_t> goal_id, episode_id, episode_step;
  std::vector<double> env_reward, info;
  std::vector<uint8_t> frame_fresh, extra_frames, next_extra_frames;
  std::vector<float> depth, next_depth, extra_depth, next_extra_depth;
  std::vector<int32_t> segmentation, next_segmentation, extra_segmentation, next_extra_segmentation;
  bool Ended(int64_t i) const { return terminated[i] || truncated[i]; }
  bool operator==(const Seen&) const = default;
};

template <typename T>
std::vector<T> Copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}

inline Seen Look(const BatchView& v) {
  return {Copy(v.obs),
          Copy(v.next_obs),
          Copy(v.reward),
          Copy(v.frame),
          Copy(v.next_frame),
          Copy(v.goal_frame),
          Copy(v.terminated),
          Copy(v.truncated),
          Copy(v.success),
          Copy(v.goal_id),
          Copy(v.episode_id),
          Copy(v.episode_step),
          Copy(v.env_reward),
          Copy(v.info),
          Copy(v.frame_fresh),
          Copy(v.extra_frames),
          Copy(v.next_extra_frames),
          Copy(v.depth),
          Copy(v.next_depth),
          Copy(v.extra_depth),
          Copy(v.next_extra_depth),
          Copy(v.segmentation),
          Copy(v.next_segmentation),
          Copy(v.extra_segmentation),
          Copy(v.next_extra_segmentation)};
}

// Reset and `steps` random steps.
inline std::vector<Seen> Roll(VectorEnv& env, uint64_t seed, int steps, double scale = 1.2) {
  std::vector<Seen> seen = {Look(env.Reset(seed))};
  Rng rng(seed + 1000);
  for (int t = 0; t < steps; ++t) {
    seen.push_back(Look(env.Step(RandomActions(env.Spec(), rng, scale))));
  }
  return seen;
}

// Row i of an array with `width` values a row.
template <typename T>
std::vector<T> RowOf(const std::vector<T>& values, int64_t i, int64_t width) {
  return {values.begin() + i * width, values.begin() + (i + 1) * width};
}

// Root mean square difference in grey levels.
inline double Rmse(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace v2r
