#include "agents/episode_stats.h"

#include "core/error.h"

namespace v2r {
namespace {

constexpr int64_t kColumns = 4;

}  // namespace

EpisodeStats::EpisodeStats(int64_t num_envs, int64_t window)
    : window_(window), running_(static_cast<size_t>(num_envs)) {}

void EpisodeStats::AddStep(std::span<const float> rewards, std::span<const double> env_rewards,
                           std::span<const uint8_t> terminated, std::span<const uint8_t> truncated,
                           std::span<const uint8_t> success) {
  for (const size_t size :
       {rewards.size(), env_rewards.size(), terminated.size(), truncated.size(), success.size()}) {
    V2R_CHECK_EQ(size, running_.size());
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    Episode& episode = running_[i];
    episode.reward += rewards[i];
    episode.env_reward += env_rewards[i];
    episode.length += 1;
    if (!terminated[i] && !truncated[i]) continue;
    episode.success = success[i] ? 1 : 0;
    ended_.push_back(episode);
    if (static_cast<int64_t>(ended_.size()) > window_) ended_.pop_front();
    episode = {};
  }
}

void EpisodeStats::Report(Metrics& metrics) const {
  if (ended_.empty()) return;
  Episode sum;
  for (const Episode& episode : ended_) {
    sum.reward += episode.reward;
    sum.env_reward += episode.env_reward;
    sum.length += episode.length;
    sum.success += episode.success;
  }
  const auto count = static_cast<double>(ended_.size());
  metrics["rollout/ep_rew_mean"] = sum.reward / count;
  metrics["rollout/ep_true_rew_mean"] = sum.env_reward / count;
  metrics["rollout/ep_len_mean"] = sum.length / count;
  metrics["rollout/success_rate"] = sum.success / count;
}

Blob EpisodeStats::ToTable(std::span<const Episode> episodes) {
  std::vector<double> table;
  for (const Episode& episode : episodes) {
    table.insert(table.end(),
                 {episode.reward, episode.env_reward, episode.length, episode.success});
  }
  return Blob::Of<double>(table, {static_cast<int64_t>(episodes.size()), kColumns});
}

std::vector<EpisodeStats::Episode> EpisodeStats::FromTable(const Blob& table) {
  const auto values = table.as<double>();
  std::vector<Episode> episodes;
  for (size_t k = 0; k + kColumns <= values.size(); k += kColumns) {
    episodes.push_back({values[k], values[k + 1], values[k + 2], values[k + 3]});
  }
  return episodes;
}

StateDict EpisodeStats::Save() const {
  return {{"running", ToTable(running_)},
          {"ended", ToTable(std::vector<Episode>(ended_.begin(), ended_.end()))}};
}

void EpisodeStats::Load(const StateDict& state, const std::string& what) {
  const auto running = FromTable(Require(state, "running", what));
  if (running.size() != running_.size()) {
    ThrowUser("{} was made with {} environments, this run has {}: set env.num_envs={}", what,
              running.size(), running_.size(), running.size());
  }
  const auto ended = FromTable(Require(state, "ended", what));
  running_ = running;
  ended_.assign(ended.begin(), ended.end());
}

}  // namespace v2r
