// What the tests of envs share: small environments, actions by seed, and what a step showed as
// plain values.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/rng.h"
#include "envs/make.h"

namespace v2r {

inline EnvOptions Small(const std::string& id, int64_t num_envs = 4, bool render = false) {
  EnvOptions options;
  options.id = id;
  options.num_envs = num_envs;
  options.env_threads = options.render_threads = 2;
  options.render = render;
  options.frame_size = 32;
  return options;
}

inline std::vector<float> RandomActions(const VectorEnvSpec& spec, Rng& rng) {
  std::vector<float> actions(spec.num_envs * spec.act_dim);
  for (float& a : actions) a = static_cast<float>(rng.Uniform(-1.2, 1.2));
  return actions;
}

// A copy of all that one step gave.
struct Seen {
  std::vector<float> obs, next_obs, reward;
  std::vector<uint8_t> frame, next_frame, goal_frame, terminated, truncated, success;
  std::vector<int64_t> goal_id, episode_id, episode_step;
  bool operator==(const Seen&) const = default;
};

template <typename T>
std::vector<T> Copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}

inline Seen Look(const BatchView& v) {
  return {Copy(v.obs),        Copy(v.next_obs),   Copy(v.reward),     Copy(v.frame),
          Copy(v.next_frame), Copy(v.goal_frame), Copy(v.terminated), Copy(v.truncated),
          Copy(v.success),    Copy(v.goal_id),    Copy(v.episode_id), Copy(v.episode_step)};
}

// Reset and `steps` random steps.
inline std::vector<Seen> Roll(VectorEnv& env, uint64_t seed, int steps) {
  std::vector<Seen> seen = {Look(env.Reset(seed))};
  Rng rng(seed + 1000);
  for (int t = 0; t < steps; ++t) seen.push_back(Look(env.Step(RandomActions(env.Spec(), rng))));
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
