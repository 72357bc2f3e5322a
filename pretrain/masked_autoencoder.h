// A vision transformer and MAE's decoder behind it.
#pragma once

#include <torch/torch.h>

#include "models/mae_decoder.h"
#include "models/vit.h"

namespace v2r {

// MaskedAutoencoderViT of facebookresearch/mae models_mae.py. Pictures float [B,3S,H,W] as the
// encoder's forward takes them, H = W = input_size; noise float [B,N] decides what is removed.
class MaskedAutoencoder {
 public:
  MaskedAutoencoder(Vit encoder, MaeDecoder decoder, double mask_ratio, bool norm_pix_loss);

  struct Result {
    torch::Tensor loss;        // scalar, over the removed patches
    torch::Tensor prediction;  // [B,N,p*p*3S]
    torch::Tensor removed;     // [B,N], 1 = removed
    torch::Tensor restore;     // int64 [B,N]
    torch::Tensor latent;      // [B,1+K,D]
  };
  Result Forward(const torch::Tensor& pictures, const torch::Tensor& noise);

  // The pictures with their removed patches painted by the decoder, in the pictures' units: of
  // norm_pix_loss the patch's own mean and deviation are given back, and a background that the
  // encoder takes off. `masked`: the same with removed patches at 0. No gradient.
  struct Painted {
    torch::Tensor masked, pasted;  // [B,3S,H,W]
  };
  Painted Reconstruct(const torch::Tensor& pictures, const torch::Tensor& noise);

 private:
  Vit encoder_;
  MaeDecoder decoder_;
  double mask_ratio_;
  bool norm_pix_loss_;
};

}  // namespace v2r
