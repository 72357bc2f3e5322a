// Evaluation videos: the filmed episode with the curves of true and learned reward drawn under it,
// and a sidecar JSON.
#pragma once

#include <filesystem>

#include "agents/agent.h"
#include "app/options.h"
#include "app/setup.h"

namespace v2r {

// Films `episodes` episodes of the deterministic policy at options.record.frame_size, the cameras of
// env.cameras and env.views beside the main one. The learned
// reward is computed by a copy of `trained` (null: true reward only) that does not learn. Encodes
// on its own thread. Returns the path of the video.
std::filesystem::path RecordVideo(const TrainOptions& options, const Assembly& assembly,
                                  const RewardModel* trained, Agent& agent, int64_t episodes,
                                  uint64_t seed, const std::filesystem::path& path);

}  // namespace v2r
