#include "reward/quality.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "learn/measures.h"
#include "reward/demos.h"
#include "reward/goal_set.h"
#include "reward/needs.h"

namespace v2r {
namespace {

std::vector<double> ToDoubles(const torch::Tensor& tensor) {
  const auto values = tensor.to(torch::kCPU, torch::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

// Rewards of single pictures z [M,D] with goals [M,D] (or undefined).
std::vector<double> RewardsOf(const RewardModel& model, const torch::Tensor& z,
                              const torch::Tensor& goal) {
  RolloutFeatures features;
  features.next = z.to(torch::kFloat).unsqueeze(1);
  if (goal.defined()) features.goal = goal.to(torch::kFloat).unsqueeze(1);
  return ToDoubles(model.Compute(features, nullptr).squeeze(1));
}

std::vector<double> RewardsOfClip(const RewardModel& model, const torch::Tensor& clip,
                                  bool goal_per_episode, bool of_states) {
  if (!of_states) {
    return ToDoubles(model.Compute(ClipFeatures(clip, /*good=*/false), nullptr).squeeze(1));
  }
  return RewardsOf(
      model, clip,
      goal_per_episode ? clip.narrow(0, clip.size(0) - 1, 1).expand_as(clip) : torch::Tensor());
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

void CheckProbe(const RewardProbe& probe, bool needs_goal) {
  if (!probe.embeddings.defined()) return;
  const int64_t states = probe.embeddings.size(0);
  if (!probe.true_distance.defined() || probe.true_distance.numel() != states) {
    ThrowUser("reward probe: {} embeddings, {} true distances", states,
              probe.true_distance.defined() ? probe.true_distance.numel() : 0);
  }
  if (needs_goal && (!probe.goal.defined() || probe.goal.size(0) != states)) {
    ThrowUser(
        "reward probe: goal.kind=env needs the goal picture's embedding of each of the {} states",
        states);
  }
}

std::string Text(double value) { return std::isnan(value) ? "n/a" : fmt::format("{:.3f}", value); }

}  // namespace

double QuantileOf(std::vector<double> values, double share) {
  if (values.empty()) return RewardQuality::kNone;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

TruthCorrelations CorrelateWithTruth(const std::vector<double>& rewards,
                                     const std::vector<double>& distance, double near) {
  std::vector<double> closeness(distance.size()), near_rewards, near_closeness;
  for (size_t i = 0; i < distance.size(); ++i) {
    closeness[i] = -distance[i];
    if (distance[i] > near) continue;
    near_rewards.push_back(rewards[i]);
    near_closeness.push_back(closeness[i]);
  }
  return {Spearman(near_rewards, near_closeness), Spearman(rewards, closeness),
          static_cast<int64_t>(near_rewards.size())};
}

double TopTrueDistance(const std::vector<double>& rewards, const std::vector<double>& distance,
                       double share) {
  std::vector<size_t> order(rewards.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rewards[a] > rewards[b]; });
  const auto count = std::max<size_t>(
      1, static_cast<size_t>(std::llround(share * static_cast<double>(order.size()))));
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += distance[order[i]];
  return sum / static_cast<double>(count);
}

RewardOptions JudgedReward(const RewardOptions& options) {
  RewardOptions plain = options;
  plain.classifier = {};
  if (plain.form == "difference" || plain.form == "mixed") {
    plain.form = "negative";
    plain.form_gamma = 1;
  }
  if (plain.name == "potential" || plain.name == "value_difference") {
    plain.name = plain.potential.of;
    plain.potential = {};
  }
  return plain;
}

RewardQuality MeasureRewardQuality(const RewardOptions& options,
                                   std::shared_ptr<const Encoder> encoder,
                                   const torch::Device& device, const DemoFeatures& demos,
                                   const RewardProbe& probe, const QualityOptions& quality) {
  if (!NeedsFrames(options))
    ThrowUser("the true reward has no quality report: choose a learned reward.name");
  RewardOptions plain = JudgedReward(options);
  encoder = RequireEncoder(plain, std::move(encoder));
  const auto model = MakeRewardModel(plain, encoder, device);
  model->Calibrate(demos);
  const bool goal_per_episode = NeedsGoalFrames(plain);
  const bool of_states = IsStateReward(plain);
  CheckProbe(probe, goal_per_episode);

  RewardQuality result;
  result.good_clips = static_cast<int64_t>(demos.good.size());
  result.near_miss_clips = static_cast<int64_t>(demos.near_miss.size());
  std::vector<double> voc, good_mean, good_last, miss_mean, miss_last;
  for (const auto& clip : demos.good) {
    const auto rewards = RewardsOfClip(*model, clip, goal_per_episode, of_states);
    const double value = Voc(rewards);
    if (!std::isnan(value)) voc.push_back(value);
    good_mean.push_back(Mean(rewards));
    good_last.push_back(rewards.back());
  }
  result.voc_median = QuantileOf(voc, 0.5);
  result.voc_worst_decile = QuantileOf(voc, 0.1);
  if (!goal_per_episode) {
    for (const auto& clip : demos.near_miss) {
      const auto rewards = RewardsOfClip(*model, clip, false, of_states);
      miss_mean.push_back(Mean(rewards));
      miss_last.push_back(rewards.back());
    }
    result.auroc_mean_reward = Auroc(good_mean, miss_mean);
    result.auroc_last_frame = Auroc(good_last, miss_last);
  }
  const bool has_goal = HasGoal(plain);
  if (has_goal) {
    std::vector<torch::Tensor> good;
    for (const auto& clip : demos.good) {
      good.push_back(
          clip.narrow(1, 0, encoder->embedding_dim()).to(encoder->device(), torch::kFloat));
    }
    result.goal_spread =
        MeasureGoalSpread(plain.goal, MakeDistance(plain.distance, encoder), good).ratio();
  }
  // States out of their episodes say nothing to a reward of whole ones.
  if (!probe.embeddings.defined() || probe.embeddings.size(0) == 0 ||
      model->Needs() == RewardNeeds::kEpisode) {
    return result;
  }

  const auto distance = ToDoubles(probe.true_distance);
  const auto rewards =
      RewardsOf(*model, probe.embeddings, goal_per_episode ? probe.goal : torch::Tensor());
  const auto right = CorrelateWithTruth(rewards, distance, quality.near);
  result.probe_states = static_cast<int64_t>(distance.size());
  result.near_states = right.near_states;
  result.correlation_near = right.near;
  result.correlation_broad = right.broad;
  result.top_true_distance = TopTrueDistance(rewards, distance, quality.top_share);
  if (has_goal && !plain.wrong_goal) {
    plain.wrong_goal = true;
    const auto control = MakeRewardModel(plain, encoder, device);
    control->Calibrate(demos);
    const auto wrong =
        CorrelateWithTruth(RewardsOf(*control, probe.embeddings, {}), distance, quality.near);
    result.wrong_goal_near = wrong.near;
    result.wrong_goal_broad = wrong.broad;
  }
  return result;
}

std::string RewardQuality::ToTable() const {
  std::vector<std::vector<std::string>> rows = {{"measure", "value", "wanted"}};
  const auto add = [&](const std::string& name, const std::string& value,
                       const std::string& wanted) {
    rows.push_back({name, value, wanted});
  };
  add("correlation with true distance, near the goal", Text(correlation_near), "high");
  add("correlation with true distance, all states", Text(correlation_broad), "high");
  add("true distance of the best-rewarded states (m)", Text(top_true_distance), "low");
  add("same correlation with a wrong goal, near", Text(wrong_goal_near), "lower than above");
  add("same correlation with a wrong goal, all", Text(wrong_goal_broad), "lower than above");
  add("AUROC good / near miss, mean reward", Text(auroc_mean_reward), "1");
  add("AUROC good / near miss, last frame", Text(auroc_last_frame), "1, says little");
  add("VOC of good clips, median", Text(voc_median), "1, says little");
  add("VOC of good clips, worst decile", Text(voc_worst_decile), "1, says little");
  add("goal spread / start-goal distance", Text(goal_spread), "below 0.5");
  add("render gap (film against rendering, in steps)", Text(render_gap), "below 0.1");
  add("good clips", std::to_string(good_clips), "");
  add("near-miss clips", std::to_string(near_miss_clips), "");
  add("probe states", std::to_string(probe_states), "");
  add("probe states near the goal", std::to_string(near_states), "");
  return Table(rows);
}

}  // namespace v2r
