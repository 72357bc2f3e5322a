// Clips: what a data set of videos is once decoded. Kept in memory at the size the encoder sees.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/options.h"

namespace v2r {

struct Clip {
  std::string name;        // path relative to the data set's folder
  std::string label;       // "good", "near_miss", "random" (from the manifest or the sub-folder's name), or "good"
  torch::Tensor frames;    // uint8 [T,H,W,3] RGB, CPU
  double fps = 0;
};

struct DataOptions {
  std::string path;
  int64_t frame_size = 64;
  std::string resize = "area";
  int64_t stride = 1;
  int64_t max_frames = 0;
  int64_t max_clips = 0;
  int64_t min_frames = 2;
  double max_gib = 8;

  template <typename V>
  void Fields(V& v) {
    v("path", path, "folder of videos, folder of frame folders, or one video");
    v("frame_size", frame_size, "height and width that frames are stored at", InRange(16, 512));
    v("resize", resize, "how frames are brought to frame_size", OneOf({"area", "bilinear"}));
    v("stride", stride, "keep every stride-th frame", AtLeast(1));
    v("max_frames", max_frames, "frames a clip at most, 0 = all", AtLeast(0));
    v("max_clips", max_clips, "clips a label at most in name order, 0 = all", AtLeast(0));
    v("min_frames", min_frames, "shorter clips are skipped with a warning", AtLeast(1));
    v("max_gib", max_gib, "memory the decoded frames may take, in GiB", AtLeast(0));
  }
};

struct ClipSet {
  std::vector<Clip> clips;
  std::vector<std::string> skipped;  // "name: reason"
  std::vector<const Clip*> WithLabel(const std::string& label) const;
  int64_t TotalFrames() const;
};

// Reads a data set. With manifest.json ({"clips": [{"file", "label", "fps"}...]}) only what it lists; else every video file
// (mp4 avi mkv webm mov m4v mpg) and every folder of pictures (png jpg bmp), recursively, in name order. A broken video is skipped with a
// warning that names it and the frame; UserError when the folder is missing or nothing usable is left.
ClipSet LoadClips(const DataOptions& options);

}  // namespace v2r
