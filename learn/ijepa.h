// The pure parts of I-JEPA (Assran et al. 2023; facebookresearch/ijepa): multi-block masks and how
// they pick tokens.
#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"

namespace v2r {

struct BlockMaskSpec {
  int64_t rows = 0, cols = 0;                        // of patches
  std::array<double, 2> pred_scale = {0.15, 0.2};    // share of the grid that a target block covers
  std::array<double, 2> enc_scale = {0.85, 1.0};     // the same of a context block, which is square
  std::array<double, 2> aspect_ratio = {0.75, 1.5};  // height / width of a target block
  int64_t context_blocks = 1, target_blocks = 4;
  int64_t min_keep = 10;       // a block has more patches than this
  bool allow_overlap = false;  // context blocks may cover target blocks
};

struct BlockMasks {
  torch::Tensor context;  // int64 [context_blocks,B,K]: patches of the grid, row by row, ascending
  torch::Tensor targets;  // int64 [target_blocks,B,L]
};

// Where the masks come from: numbers in [0,1), and whole numbers in [0,n).
struct MaskDraws {
  std::function<double()> uniform;
  std::function<int64_t(int64_t)> below;
};

// src/masks/multiblock.py MaskCollator: one size of target blocks and one of context blocks for the
// batch, each from one number that draws scale and aspect at once; places per picture, never
// touching the grid's last row and column; context blocks without what the target blocks cover,
// of which the last ones are given up after every 20 tries that leave too little. All masks are cut
// to the shortest of the batch, from the front. UserError: no target block of such a size has more
// than min_keep patches, or no context block has.
BlockMasks SampleBlockMasks(const BlockMaskSpec& spec, int64_t batch, const MaskDraws& draws);
BlockMasks SampleBlockMasks(const BlockMaskSpec& spec, int64_t batch, Rng& rng);

// x [B,N,D], masks int64 [M,B,K] -> [M*B,K,D], mask after mask (src/masks/utils.py apply_masks).
torch::Tensor ApplyMasks(const torch::Tensor& x, const torch::Tensor& masks);
// x [M*B,...] -> [M*repeat*B,...]: each group of B rows `repeat` times in a row
// (src/utils/tensors.py repeat_interleave_batch).
torch::Tensor RepeatInterleaveBatch(const torch::Tensor& x, int64_t batch, int64_t repeat);

}  // namespace v2r
