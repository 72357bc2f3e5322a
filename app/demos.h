// Filming demonstrations: the task's scripted expert in front of the camera, as H.264 clips with a
// manifest.
#pragma once

#include <filesystem>

#include "app/options.h"

namespace v2r {

// Writes good/, near_miss/ and random/ clips (MP4) and manifest.json into `folder`. Good clips are
// those that ended in success and random and near-miss clips those that did not; the expert is
// asked again until there are enough. Interrupted leaves whole clips only. The manifest keeps
// each frame's true distance (true_distance), for reports: no reward reads it.
void FilmDemos(const EnvOptions& env, const DemoOptions& demos,
               const std::filesystem::path& folder);

}  // namespace v2r
