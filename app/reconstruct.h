// What a masked autoencoder makes of frames that it sees in part: pictures for people.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/options.h"
#include "media/clips.h"
#include "pretrain/masked_autoencoder.h"

namespace v2r {

struct ReconstructOptions {
  bool enabled = false;
  int64_t frames = 4;
  double mask_ratio = 0;
  int64_t seed = 1;

  template <typename V>
  void Fields(V& v) {
    v("enabled", enabled,
      "also write what a masked autoencoder paints where patches are removed, into "
      "OUT_reconstruction/ (--reconstruct)");
    v("frames", frames, "frames a clip, evenly spaced", AtLeast(1));
    v("mask_ratio", mask_ratio, "share of the patches removed, 0 = as in training",
      InRange(0, 0.99));
    v("seed", seed, "decides which", AtLeast(0));
  }
};

// For each clip FOLDER/CLIP.png ('/' of the name as '_'), a row a frame: the frame, the frame
// without the removed patches, and with what the decoder paints there, the visible patches as they
// are (facebookresearch/mae demo/mae_visualize.ipynb run_one_image; patches predicted at mean 0 and
// deviation 1 get their own back). The clips' frames are spec.input_size high and wide. -> pictures
// written. UserError: mask_ratio leaves no patch.
int64_t WriteReconstructions(MaskedAutoencoder& model, const ClipSet& clips,
                             const ReconstructOptions& options, const std::filesystem::path& folder,
                             const torch::Device& device);

}  // namespace v2r
