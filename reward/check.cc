// Options of rewards that contradict each other, and what follows from options alone.
#include <algorithm>
#include <functional>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "reward/make.h"
#include "reward/needs.h"

namespace v2r {
namespace {

const std::set<std::string> kGoalRewards = {"goal_distance", "pixel_l2", "progress"};

void Collect(const RewardOptions& options, const std::string& name,
             std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  names.push_back(name);
  if (name == "potential" || name == "value_difference") {
    Collect(options, options.potential.of, names);
  } else if (name == "ensemble") {
    Collect(options, options.ensemble.of, names);
  } else if (name == "sum") {
    for (const auto& part : options.sum.parts) Collect(options, part, names);
  }
}

bool TreeHasAny(const RewardOptions& options, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return TreeHas(options, name); });
}

template <typename Group>
bool IsDefault(const Group& group) {
  return Dump(group).ToYaml() == Dump(Group()).ToYaml();
}

bool HasGuard(const RewardOptions& options) {
  return !options.guard.clip.empty() || options.guard.monitor || options.guard.penalty > 0;
}

// A group of keys that none of the rewards in use reads.
void CheckUnread(const RewardOptions& options) {
  const RewardOptions defaults;
  const auto unread = [&](const char* key, bool is_default,
                          const std::vector<std::string>& readers) {
    if (is_default || TreeHasAny(options, readers)) return;
    ThrowUser("reward.{}: reward '{}' does not read it; use reward.name={} or leave it out", key,
              options.name, Join(readers, " or "));
  };
  unread("transport", IsDefault(options.transport), {"optimal_transport"});
  unread("potential", IsDefault(options.potential), {"potential", "value_difference"});
  unread("potential.gamma", options.potential.gamma == defaults.potential.gamma, {"potential"});
  unread("tracking", IsDefault(options.tracking), {"nearest_neighbour", "tcn_tracking"});
  unread("ensemble", IsDefault(options.ensemble), {"ensemble"});
  unread("sum", IsDefault(options.sum), {"sum"});
  unread("progress", IsDefault(options.progress), {"progress"});
  unread("goal_classifier", IsDefault(options.goal_classifier), {"goal_classifier"});
  unread("head", options.head.empty(), {"ranking", "progress", "goal_classifier"});
  unread("form", options.form == defaults.form, {"goal_distance", "pixel_l2"});
  if (!HasGoal(options)) {
    const auto without_goal = [&](const char* key, bool is_default) {
      if (is_default) return;
      ThrowUser(
          "reward.{}: reward '{}' has no goal and does not read it; use "
          "reward.name=goal_distance or leave it out",
          key, options.name);
    };
    without_goal("goal.kind", options.goal.kind == defaults.goal.kind);
    const bool has_distance =
        TreeHasAny(options, {"optimal_transport", "nearest_neighbour"}) || HasGuard(options);
    without_goal("distance", options.distance == defaults.distance || has_distance);
    if (options.wrong_goal) {
      ThrowUser("reward.wrong_goal: reward '{}' has no goal that could be wrong{}", options.name,
                TreeHas(options, "ranking")
                    ? " (it learned the order of frames; reversing that would only change the sign)"
                    : "");
    }
  }
  if (options.goal.kind != "medoids" && options.goal.medoids != defaults.goal.medoids) {
    ThrowUser("reward.goal.medoids: goal.kind={} does not read it; use goal.kind=medoids",
              options.goal.kind);
  }
}

void CheckParts(const RewardOptions& options) {
  if (TreeHasAny(options, {"potential", "value_difference"})) {
    if (options.form == "difference" || options.form == "mixed") {
      ThrowUser(
          "reward.form={}: reward '{}' takes the difference itself; use a form of one picture",
          options.form, options.name);
    }
  }
  if (TreeHas(options, "nearest_neighbour") &&
      options.tracking.min_step > options.tracking.max_step) {
    ThrowUser("reward.tracking.min_step={} is above reward.tracking.max_step={}",
              options.tracking.min_step, options.tracking.max_step);
  }
  if (options.name == "ensemble") {
    const std::string& of = options.ensemble.of;
    if (of == "ensemble" || of == "true" || of == "pixel_l2") {
      ThrowUser("reward.ensemble.of={}: choose a reward that an encoder gives", of);
    }
    if (options.ensemble.encoders.empty()) {
      ThrowUser(
          "reward.ensemble.encoders: an ensemble needs at least one encoder file besides "
          "encoder.path");
    }
    if (options.ensemble.combine != "lower" &&
        options.ensemble.std_weight != EnsembleOptions().std_weight) {
      ThrowUser("reward.ensemble.std_weight: combine={} does not read it; use combine=lower",
                options.ensemble.combine);
    }
  }
  if (!TreeHas(options, "sum")) return;
  const auto& parts = options.sum.parts;
  if (parts.empty() || parts.size() != options.sum.weights.size()) {
    ThrowUser("reward.sum: {} parts and {} weights; name the parts and give each its weight",
              parts.size(), options.sum.weights.size());
  }
  if (std::set<std::string>(parts.begin(), parts.end()).size() != parts.size()) {
    ThrowUser("reward.sum.parts: a part is named twice; give it one weight");
  }
  for (const std::string& part : parts) {
    if (part == "sum" || part == "ensemble" || part == "true") {
      ThrowUser("reward.sum.parts: '{}' cannot be a part{}", part,
                part == "ensemble" ? "; use reward.name=ensemble and ensemble.of=sum" : "");
    }
  }
  if (parts.size() == 1 && parts[0] == kSuccessPart) {
    ThrowUser("reward.sum.parts: success alone is the task's truth; add a learned reward");
  }
}

void CheckGuard(const RewardOptions& options) {
  const GuardOptions& guard = options.guard;
  if (HasGuard(options) && options.name == "true") {
    ThrowUser("reward.guard: the true reward is not guarded; choose another reward.name");
  }
  if (!guard.clip.empty() && (guard.clip.size() != 2 || !(0 <= guard.clip[0]) ||
                              !(guard.clip[0] < guard.clip[1]) || !(guard.clip[1] <= 100))) {
    ThrowUser("reward.guard.clip: two rising percentiles from 0 to 100, such as [1, 99]");
  }
  if (!guard.monitor && guard.penalty == 0 && guard.percentile != GuardOptions().percentile) {
    ThrowUser(
        "reward.guard.percentile: only guard.monitor and guard.penalty read it; set one of them");
  }
}

}  // namespace

std::vector<std::string> RewardTree(const RewardOptions& options) {
  std::vector<std::string> names;
  Collect(options, options.name, names);
  return names;
}

bool TreeHas(const RewardOptions& options, const std::string& name) {
  const auto names = RewardTree(options);
  return std::find(names.begin(), names.end(), name) != names.end();
}

RewardOptions PartOptions(const RewardOptions& options, const std::string& name) {
  RewardOptions part = options;
  part.name = name;
  part.scale = 1;
  part.guard = {};
  part.classifier = {};
  return part;
}

bool HasGoal(const RewardOptions& options) {
  return TreeHasAny(options, {kGoalRewards.begin(), kGoalRewards.end()});
}

bool NeedsFrames(const RewardOptions& options) { return options.name != "true"; }

bool NeedsGoalFrames(const RewardOptions& options) {
  return HasGoal(options) && options.goal.kind == "env" && !options.wrong_goal;
}

bool IsStateReward(const RewardOptions& options) {
  return !TreeHasAny(options, {"potential", "value_difference", "optimal_transport",
                               "nearest_neighbour", "tcn_tracking", kSuccessPart}) &&
         !(HasGoal(options) && (options.form == "difference" || options.form == "mixed"));
}

void CheckRewardOptions(const RewardOptions& options) {
  for (const std::string& name : RewardTree(options)) {
    if (name != kSuccessPart || options.name == kSuccessPart)
      RewardDoc(name);  // unknown: UserError
  }
  CheckUnread(options);
  CheckParts(options);
  CheckGuard(options);
  if (options.every != 1 && TreeHasAny(options, {"potential", "optimal_transport",
                                                 "nearest_neighbour", "tcn_tracking"})) {
    ThrowUser("reward.every={}: reward '{}' reads every step of an episode; use reward.every=1",
              options.every, options.name);
  }
  if (options.timing == "immediate" && TreeHas(options, "optimal_transport")) {
    ThrowUser(
        "reward.timing=immediate: reward '{}' is known when an episode is over; use "
        "reward.timing=deferred",
        options.name);
  }
  if (options.classifier.weight > 0) {
    if (options.name == "true") {
      ThrowUser(
          "reward.classifier.weight: nothing learned is added to the true reward; choose another "
          "reward.name");
    }
    if (options.timing == "immediate") {
      ThrowUser(
          "reward.timing=immediate: the classifier learns from a whole rollout before it rewards "
          "it; use reward.timing=deferred or "
          "reward.classifier.weight=0");
    }
  }
}

}  // namespace v2r
