// manifest.json of a data set of clips: {"task": ..., "clips": [{"file", "label", "fps", "frames",
// "return", "success"}, ...]}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace v2r {

struct ManifestClip {
  std::string file;    // relative to the manifest's folder; a video or a folder of pictures
  std::string label;   // "good", "near_miss" or "random"; "" = from the path
  double fps = 0;      // 0 = what the container says
  int64_t frames = 0;  // 0 = not stated
  std::optional<double> episode_return;  // "return"; for reports only, no reward reads it
  std::optional<bool> success;
  std::string extra = "{}";  // JSON object of all other keys
};

struct Manifest {
  std::string task;
  std::vector<ManifestClip> clips;
  std::string extra = "{}";  // JSON object of all other top-level keys
};

const std::vector<std::string>& ClipLabels();  // good, near_miss, random

// UserError naming file and key: no JSON, missing or wrongly typed keys, an unknown label, a file
// listed twice.
Manifest ReadManifest(const std::filesystem::path& path);
// Atomic. Keys in `extra` are written after the known ones, so that reading and writing loses
// nothing.
void WriteManifest(const std::filesystem::path& path, const Manifest& manifest);

}  // namespace v2r
