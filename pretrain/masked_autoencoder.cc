#include "pretrain/masked_autoencoder.h"

#include <utility>

#include "core/error.h"
#include "learn/mae.h"

namespace v2r {

MaskedAutoencoder::MaskedAutoencoder(Vit encoder, MaeDecoder decoder, double mask_ratio,
                                     bool norm_pix_loss)
    : encoder_(std::move(encoder)),
      decoder_(std::move(decoder)),
      mask_ratio_(mask_ratio),
      norm_pix_loss_(norm_pix_loss) {}

MaskedAutoencoder::Result MaskedAutoencoder::Forward(const torch::Tensor& pictures,
                                                     const torch::Tensor& noise) {
  const int64_t patch = encoder_->spec().patch_size;
  const auto input = encoder_->Input(pictures);
  const auto positions = encoder_->Positions(input.size(2) / patch, input.size(3) / patch);
  const auto patches = encoder_->PatchTokens(input) + positions.slice(1, 1);
  const auto mask = MaskByNoise(noise, mask_ratio_);
  // The cls token joins after the masking, with its own position.
  const auto cls =
      (encoder_->cls_token() + positions.slice(1, 0, 1)).expand({input.size(0), -1, -1});
  const auto latent = encoder_->Blocks(torch::cat({cls, KeepPatches(patches, mask)}, 1));
  const auto prediction = decoder_->forward(latent, mask.restore);
  const auto target = MaeTarget(input, patch, norm_pix_loss_);
  return {MaeLoss(prediction, target, mask.removed), prediction, mask.removed, mask.restore,
          latent};
}

MaskedAutoencoder::Painted MaskedAutoencoder::Reconstruct(const torch::Tensor& pictures,
                                                          const torch::Tensor& noise) {
  const torch::NoGradGuard no_grad;
  const int64_t patch = encoder_->spec().patch_size, rows = pictures.size(2) / patch;
  const Result result = Forward(pictures, noise);
  auto painted = result.prediction;
  if (norm_pix_loss_) {
    const auto own = Patchify(encoder_->Input(pictures), patch);
    const auto variance = own.var(-1, /*unbiased=*/true, /*keepdim=*/true);
    painted = painted * (variance + 1e-6).sqrt() + own.mean(-1, /*keepdim=*/true);
  }
  painted = encoder_->UndoInput(Unpatchify(painted, patch, rows));
  const auto removed =
      Unpatchify(result.removed.unsqueeze(-1).expand_as(result.prediction), patch, rows);
  return {pictures * (1 - removed), torch::where(removed > 0, painted, pictures)};
}

}  // namespace v2r
