// What a reward needs of its surroundings, by its options.
#pragma once

#include <memory>

#include "models/encoder.h"
#include "reward/make.h"

namespace v2r {

// Whether it reads pictures at all (`true` does not).
bool NeedsFrames(const RewardOptions& options);
// Whether it reads the goal picture of the episode.
bool NeedsGoalFrames(const RewardOptions& options);
// `encoder` if it fits the reward, the pixels encoder for pixel_l2 without one, null for `true`.
// UserError naming what is missing or does not fit.
std::shared_ptr<const Encoder> RequireEncoder(const RewardOptions& options,
                                              std::shared_ptr<const Encoder> encoder);

}  // namespace v2r
