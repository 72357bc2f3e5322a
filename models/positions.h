// Position embeddings of vision transformers: fixed tables, and tables for another grid.
// A table is float [1,T,D]: with a cls token, its row first; then one row a patch, row by row.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>

namespace v2r {

// Fixed 2-D sine-cosine table of a grid: half of the channels encode a patch's column and half its
// row, each as [sin(all frequencies), cos(all frequencies)], frequencies 10000^(-i/(D/4)).
// layout "mae": the column first (facebookresearch/mae util/pos_embed.py; I-JEPA's too, which has
// no cls row); "mocov3": the row first (facebookresearch/moco-v3 vits.py). A cls row is zero.
// -> float [1, (1 +) rows*cols, dim]. UserError: unknown layout, dim is no multiple of 4.
torch::Tensor SinCosTable(int64_t dim, int64_t rows, int64_t cols, const std::string& layout,
                          bool cls_row);

// A table [1,1+G*G,D], or [1,G*G,D] without cls row, for a grid of rows x cols by bicubic
// interpolation; the cls row stays.
// DINO's: by the scale factor (rows + 0.1) / G, which also places the samples
// (facebookresearch/dino vision_transformer.py interpolate_pos_encoding).
torch::Tensor InterpolatePositionsDino(const torch::Tensor& table, int64_t rows, int64_t cols);
// DeiT's and MAE's: by the size (facebookresearch/mae util/pos_embed.py). They give other values.
torch::Tensor InterpolatePositionsDeit(const torch::Tensor& table, int64_t rows, int64_t cols);

}  // namespace v2r
