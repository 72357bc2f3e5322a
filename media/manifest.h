// manifest.json of a data set of clips: {"task": ..., "render": {"size", "supersample"}, "clips":
// [{"file", "label", "fps", "frames", "return", "success"}, ...]}; only "clips" and "file" must be
// there.
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

// Films drawn by the renderer of the reward's own pictures: each film is those pictures, size x
// size, drawn an odd number of times `supersample` larger. Read at every such step the film shows
// what the reward will see, aliasing included.
struct ManifestRender {
  int64_t size = 0;  // 0 = films from elsewhere
  int64_t supersample = 1;
};

struct Manifest {
  std::string task;
  ManifestRender render;
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
