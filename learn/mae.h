// The pure parts of masked autoencoding (He et al. 2022; facebookresearch/mae models_mae.py):
// patches, random masking, the loss.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace v2r {

// [B,C,H,W] -> [B,N,p*p*C]: patches row by row, within a patch (row, column, channel), channel
// last.
torch::Tensor Patchify(const torch::Tensor& pictures, int64_t patch);
// The inverse, for `rows` rows of patches.
torch::Tensor Unpatchify(const torch::Tensor& patches, int64_t patch, int64_t rows);

struct PatchMask {
  torch::Tensor keep;     // int64 [B,K], K = floor(N (1 - ratio)): patches that stay, in order of
                          // their noise
  torch::Tensor restore;  // int64 [B,N]: where each patch is in [kept, removed]
  torch::Tensor removed;  // float [B,N]: 1 = removed
};
// The K patches of the smallest noise stay; noise float [B,N], uniform in training. Error: none
// stays.
PatchMask MaskByNoise(const torch::Tensor& noise, double ratio);
// x [B,N,D] -> the kept ones [B,K,D].
torch::Tensor KeepPatches(const torch::Tensor& x, const PatchMask& mask);

// What is to be predicted: the patches, with norm_pix each scaled to mean 0 and (unbiased)
// deviation 1, 1e-6 inside the root.
torch::Tensor MaeTarget(const torch::Tensor& pictures, int64_t patch, bool norm_pix);
// Squared error, mean over a patch's pixels, then over the removed patches of the whole batch.
// prediction, target [B,N,P], removed [B,N].
torch::Tensor MaeLoss(const torch::Tensor& prediction, const torch::Tensor& target,
                      const torch::Tensor& removed);

}  // namespace v2r
