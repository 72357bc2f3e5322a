// Between tensors and pictures, and what is done to whole batches.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "media/picture.h"

namespace v2r {

// Picture b of a float32 CPU tensor [B,3,H,W], contiguous; points into it.
Picture PictureOf(const torch::Tensor& x, int64_t b);
// uint8 [...,H,W,3] -> float32 [...,3,H,W] in [0,1], same device, contiguous.
torch::Tensor FramesToFloat(const torch::Tensor& frames);

// Not part of the augmentation (mean and std belong to the encoder file): x float [B,C,H,W], (x -
// mean) / std per channel.
torch::Tensor Normalize(const torch::Tensor& x, const std::vector<double>& mean,
                        const std::vector<double>& std);
// x float [B,C,H,W] -> [B,2,H,W]: horizontal and vertical Sobel response of the channel mean, zero
// padding (DeepCluster, Caron et al. 2018).
torch::Tensor Sobel(const torch::Tensor& x);

}  // namespace v2r
