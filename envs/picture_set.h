// The pictures of one state of every environment, and which ones the options ask for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "envs/make.h"
#include "envs/renderer.h"

namespace v2r {

// The cameras of env.cameras, then those of env.views. UserError: a name twice, a view that is no
// camera of its own, an unknown key.
std::vector<ExtraCamera> ExtraCameras(const EnvOptions& options);
// Fills the fields of `spec` that tell of pictures; they say none where options.render is off.
// spec.num_envs is known. UserError: as ExtraCameras; no such modality (with the nearest).
void DescribePictures(const EnvOptions& options, bool has_goal_frame, VectorEnvSpec& spec);

// Arrays of all cameras, the main one first: its part is BatchView's `frame`, the rest
// `extra_frames`, and so for the others.
struct PictureSet {
  std::vector<uint8_t> rgb;           // [1+C,N,H,W,3]
  std::vector<float> depth;           // [1+C,N,H,W] or empty
  std::vector<int32_t> segmentation;  // [1+C,N,H,W,2] or empty
  size_t pixels = 0;                  // H*W
  size_t plane = 0;                   // N*H*W
  size_t cameras = 0;                 // 1+C

  PictureSet() = default;
  // main_alone: colours of the main camera only.
  explicit PictureSet(const VectorEnvSpec& spec, bool main_alone = false);
  // Where the pictures of env i go.
  DrawRequest Of(int64_t i);
  // The arrays of the main camera and those of the others.
  void ShowPresent(BatchView& view) const;
  void ShowNext(BatchView& view) const;
  // All pictures of env i one after the other.
  size_t RowBytes() const;
  void SaveRow(int64_t i, uint8_t* row) const;
  void LoadRow(int64_t i, const uint8_t* row);
};

}  // namespace v2r
