// Rewards by name, and the environment decorator that puts one inside a vector environment.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "envs/vector_env.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "reward/options.h"
#include "reward/reward_model.h"

namespace v2r {

std::vector<std::string> RewardNames();
std::string RewardDoc(const std::string& name);

// UserError naming the key when options contradict each other (a goal for a reward that has none,
// an online part with immediate rewards, ...). Every function below calls it.
void CheckRewardOptions(const RewardOptions& options);
// UserError when the reward reads the picture of every step and env.render_every is not 1.
void RequireEveryPicture(const RewardOptions& options, int64_t render_every);
// The encoder a reward reads, loaded with options.dtype. `path` empty: pixel_l2 gets the shrunk
// picture itself, `true` null; UserError naming what is missing for the others.
std::shared_ptr<const Encoder> MakeRewardEncoder(const RewardOptions& options,
                                                 const std::filesystem::path& path,
                                                 const torch::Device& device);
// `encoder` may be null only for rewards that need none (true, pixel_l2); UserError names what is
// missing.
std::unique_ptr<RewardModel> MakeRewardModel(const RewardOptions& options,
                                             std::shared_ptr<const Encoder> encoder,
                                             const torch::Device& device);
// Embeds demonstrations by label (good, near_miss, random). Frames may be of any size. Empty for
// `true`. UserError when no clip is labelled good. A null `encoder` as in MakeRewardModel.
DemoFeatures EmbedDemos(const RewardOptions& options, const Encoder* encoder, const ClipSet& clips);
// The env whose `reward` is learned. `reward` must be calibrated. `seed` feeds the online parts. A
// null `encoder` as in MakeRewardModel. UserError: an env without pictures or with those of some steps only, goal.kind=env with an
// env that draws no goal picture, an env whose reward is learned already. The rows of a rollout are
// the steps since the last FinishRollout; a Reset() in between ends an episode and drops nothing.
std::unique_ptr<VectorEnv> MakeLearnedRewardEnv(std::unique_ptr<VectorEnv> env,
                                                std::shared_ptr<const Encoder> encoder,
                                                std::unique_ptr<RewardModel> reward,
                                                const RewardOptions& options, uint64_t seed);

}  // namespace v2r
