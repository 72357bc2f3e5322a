// A run's policy as plain weights, for programs that do not have this library.
#pragma once

#include <filesystem>

namespace v2r {

// `from` is a run directory (its checkpoint `last`) or a folder of one of its checkpoints. Writes
// `out` (safetensors, float32): layers.{0,1,..}.weight [out,in] and .bias [out], obs_mean and
// obs_scale [O], action_low and action_high [A], log_std [A] where it does not depend on the state;
// and, beside it with the ending .json, how they make an action: activation, clip_obs, squash and
// the sizes. obs_scale is 1 / deviation of the statistics that the policy acts with, or 1.
// UserError naming what is missing.
void ExportPolicy(const std::filesystem::path& from, const std::filesystem::path& out);

}  // namespace v2r
