// What a reward needs of its surroundings, by its options.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "reward/make.h"

namespace v2r {

// The part of a sum that is the task's success.
inline const std::string kSuccessPart = "success";

// Names of the rewards that options.name is made of, itself first, each once.
std::vector<std::string> RewardTree(const RewardOptions& options);
bool TreeHas(const RewardOptions& options, const std::string& name);
// The options of the part `name` inside a reward: without scale, guard and classifier.
RewardOptions PartOptions(const RewardOptions& options, const std::string& name);
// The reward `options.name` alone: no guard, no classifier, nothing checked.
std::unique_ptr<RewardModel> MakePart(const RewardOptions& options,
                                      std::shared_ptr<const Encoder> encoder,
                                      const torch::Device& device);
// Whether its value is that of the state, not of a step or an episode.
bool IsStateReward(const RewardOptions& options);
// Whether it measures a distance to a goal (which can be a wrong one).
bool HasGoal(const RewardOptions& options);
// Whether it reads pictures at all (`true` does not).
bool NeedsFrames(const RewardOptions& options);
// Whether it reads the goal picture of the episode.
bool NeedsGoalFrames(const RewardOptions& options);
// `encoder` if it fits the reward, the pixels encoder for pixel_l2 without one, null for `true`.
// UserError naming what is missing or does not fit.
std::shared_ptr<const Encoder> RequireEncoder(const RewardOptions& options,
                                              std::shared_ptr<const Encoder> encoder);

}  // namespace v2r
