// Where a vision transformer looks: pictures of its last block's attention.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>

#include "core/options.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "models/vit.h"

namespace v2r {

struct AttentionOptions {
  bool enabled = false;
  int64_t frames = 4;
  double threshold = 0;

  template <typename V>
  void Fields(V& v) {
    v("enabled", enabled,
      "also write pictures of a transformer's attention into OUT_attention/ (--attention)");
    v("frames", frames, "frames a clip, evenly spaced", AtLeast(1));
    v("threshold", threshold,
      "show only the patches that hold this share of a head's attention, 0 = all", InRange(0, 1));
  }
};

// Attention of the cls token to the patches in the last block (facebookresearch/dino
// visualize_attention.py). x float [B,3S,H,W], normalised -> [B,heads,rows,cols]; with a threshold
// the patches outside the fewest that hold this share of a head's attention to patches are 0.
torch::Tensor AttentionMaps(VitImpl& net, const torch::Tensor& x, double threshold);

// The transformer of an encoder file. UserError naming arch and file: another network.
Vit RequireVit(const EncoderNet& net, const std::filesystem::path& file);

// For `options.frames` frames of each clip FOLDER/CLIP_frame_000012.png ('/' of the name as '_'):
// the frame, the mean over heads, each head, side by side; every map from its least value (black)
// to its greatest (white). The clips' frames are spec.input_size high and wide. -> pictures
// written.
int64_t WriteAttention(VitImpl& net, const ClipSet& clips, const AttentionOptions& options,
                       const std::filesystem::path& folder);

}  // namespace v2r
