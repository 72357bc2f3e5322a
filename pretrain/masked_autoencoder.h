// A vision transformer and MAE's decoder behind it.
#pragma once

#include <torch/torch.h>

#include <filesystem>

#include "core/options.h"
#include "models/encoder_part.h"
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
  const EncoderSpec& spec() const { return encoder_->spec(); }

 private:
  Vit encoder_;
  MaeDecoder decoder_;
  double mask_ratio_;
  bool norm_pix_loss_;
};

// What an encoder file of method=mae says of its decoder.
struct MaePartSpec {
  MaeDecoderSpec decoder;
  double mask_ratio = 0.75;
  bool norm_pix_loss = true;

  template <typename V>
  void Fields(V& v) {
    decoder.Fields(v);
    v("mask_ratio", mask_ratio, "share of the patches removed in training", InRange(0.01, 0.99));
    v("norm_pix_loss", norm_pix_loss, "it predicts patches of mean 0 and deviation 1");
  }
};
inline constexpr char kMaePart[] = "mae_decoder";
EncoderPart MaePart(const MaePartSpec& spec, const MaeDecoderImpl& decoder);
// Encoder and decoder of an encoder file, on `device`, in eval mode. mask_ratio 0 = the file's.
// UserError naming the file: it has no decoder, or one that does not fit.
MaskedAutoencoder LoadMaskedAutoencoder(const std::filesystem::path& file, double mask_ratio,
                                        const torch::Device& device);

}  // namespace v2r
