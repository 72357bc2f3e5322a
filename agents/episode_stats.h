// Returns, lengths and successes of the episodes that ended, over a window of the last 100.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/safetensors.h"

namespace v2r {

class EpisodeStats {
 public:
  explicit EpisodeStats(int64_t num_envs, int64_t window = 100);

  // One step of all environments, all spans [N]: the reward learned from, the task's own, whether
  // the episode ended (terminated or truncated) and whether the state after the step is a success.
  void AddStep(std::span<const float> rewards, std::span<const double> env_rewards,
               std::span<const uint8_t> terminated, std::span<const uint8_t> truncated,
               std::span<const uint8_t> success);
  // rollout/ep_rew_mean, ep_true_rew_mean, ep_len_mean, success_rate (success at the end of the
  // episode); nothing before the first episode ended.
  void Report(Metrics& metrics) const;

  StateDict Save() const;
  void Load(const StateDict& state, const std::string& what);

 private:
  struct Episode {
    double reward = 0, env_reward = 0, length = 0, success = 0;
  };
  static Blob ToTable(std::span<const Episode> episodes);
  static std::vector<Episode> FromTable(const Blob& table);

  int64_t window_;
  std::vector<Episode> running_;  // [N]
  std::deque<Episode> ended_;     // oldest first
};

}  // namespace v2r
