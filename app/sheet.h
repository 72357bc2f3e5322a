// Pictures of what a network makes of frames: tiles side by side, each under its title.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/frame.h"
#include "media/clips.h"
#include "media/samplers.h"

namespace v2r {

// How many pixels a side one pixel of a frame of `size` becomes, so that a tile has at least 128.
int TileScale(int64_t size);
// float [3,H,W] in [0,1] (what is outside is cut), each pixel a square of `side`.
Image FrameImage(const torch::Tensor& picture, int side);
// Tiles of one size, in a row.
using TitledTile = std::pair<std::string, Image>;
Image TileRow(const std::vector<TitledTile>& tiles);
// Pictures of one width, one below the other.
Image Stacked(const std::vector<Image>& rows);

// `count` frames of clip `clip` (or all it has), evenly spaced, first and last among them.
std::vector<FrameIndex> SpreadOverClip(const ClipSet& clips, int64_t clip, int64_t count);
// The clip's name as part of a file name: '/' as '_'.
std::string FileNameOf(const Clip& clip);

}  // namespace v2r
