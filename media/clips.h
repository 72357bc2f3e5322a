// Clips: what a data set of videos or pictures is once decoded. Kept in memory at the size the
// encoder sees. A picture is a clip of one frame.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/options.h"

namespace v2r {

struct Clip {
  std::string name;   // path relative to the data set's folder
  std::string label;  // "good", "near_miss", "random" (from the manifest or the sub-folder's name),
                      // or "good"
  torch::Tensor frames;  // uint8 [T,H,W,3] RGB, CPU
  double fps = 0;        // of the frames kept (the film's own / stride), 0 = unknown
  int64_t target = -1;   // position in ClipSet::classes, -1 = the data name no classes
};

struct DataOptions {
  std::string path;
  std::string format = "auto";
  std::string split = "train";
  int64_t frame_size = 64;
  std::string resize = "area";
  int64_t stride = 1;
  int64_t max_frames = 0;
  int64_t max_clips = 0;
  int64_t min_frames = 2;
  double max_gib = 8;

  template <typename V>
  void Fields(V& v) {
    v("path", path, "folder of videos or of frame folders, one video, folder of classes (data.format=images), "
      "folder of CIFAR's .bin files, or .npz file");
    v("format", format,
      "clips (videos, frame folders), images (a folder a class, as torchvision's ImageFolder), "
      "cifar, npz; auto = by what is there, never images",
      OneOf({"auto", "clips", "images", "cifar", "npz"}));
    v("split", split,
      "part of labelled pictures: train or test (folders, CIFAR's files, x_train in .npz), or all; "
      "data without parts are all train; clips have none",
      OneOf({"train", "test", "all"}));
    v("frame_size", frame_size,
      "height and width that frames are stored at (other shapes are squeezed to a square)",
      InRange(16, 512));
    v("resize", resize, "how frames are brought to frame_size", OneOf({"area", "bilinear", "bicubic"}));
    v("stride", stride, "keep every stride-th frame", AtLeast(1));
    v("max_frames", max_frames, "frames a clip at most, 0 = all", AtLeast(0));
    v("max_clips", max_clips,
      "clips a label, labelled pictures a class at most, in their order, 0 = all", AtLeast(0));
    v("min_frames", min_frames, "shorter clips are skipped with a warning (not pictures)",
      AtLeast(1));
    v("max_gib", max_gib, "memory the decoded frames may take in GiB, 0 = no limit", AtLeast(0));
  }
};

struct ClipSet {
  std::vector<Clip> clips;
  std::vector<std::string> skipped;  // "name: reason"
  std::vector<std::string> classes;  // names of the classes of labelled pictures, else empty
  std::vector<const Clip*> WithLabel(const std::string& label) const;
  int64_t TotalFrames() const;
};

// Reads a data set, each frame resized to frame_size x frame_size with ResizeFrames as it comes (a
// film that is not square is squeezed: no part of the scene is lost). With manifest.json
// (media/manifest.h) only what it lists, brought to the size of the reward's pictures first where
// it says how they are drawn; else every video file (mp4 avi mkv webm mov m4v mpg mpeg) and every
// folder of pictures (png jpg jpeg bmp) without a video in it, recursively, in natural name order
// ("f2" before "f10"); names that start with a dot are left out. The label is the manifest's, else
// the innermost path component that is one. A broken video is skipped with a warning that names it
// and the frame. UserError: the folder is missing, nothing usable is left, or the frames need more
// than max_gib. The other formats: media/labelled.h.
ClipSet LoadClips(const DataOptions& options);

}  // namespace v2r
