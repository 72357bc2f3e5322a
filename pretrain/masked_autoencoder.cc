#include "pretrain/masked_autoencoder.h"

#include <utility>

#include "core/error.h"
#include "learn/mae.h"
#include "models/spec_json.h"

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
  const auto prediction = decoder_->forward(latent, mask.restore).to(torch::kFloat);
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

EncoderPart MaePart(const MaePartSpec& spec, const MaeDecoderImpl& decoder) {
  return {ToJsonText(spec), ModuleState(decoder)};
}

MaskedAutoencoder LoadMaskedAutoencoder(const std::filesystem::path& file, double mask_ratio,
                                        const torch::Device& device) {
  const EncoderParts parts = LoadEncoderParts(file);
  const auto part = parts.find(kMaePart);
  if (part == parts.end()) {
    ThrowUser(
        "{} has no decoder to paint with: it takes an encoder file that `v2r pretrain "
        "pretrain=mae` "
        "has written",
        file.string());
  }
  const std::string what = file.string() + " (" + kMaePart + ")";
  const auto spec = FromJsonText<MaePartSpec>(part->second.spec, what);
  const auto vit = std::dynamic_pointer_cast<VitImpl>(LoadEncoderFile(file).net);
  const EncoderSpec& of = vit ? vit->spec() : EncoderSpec{};
  const MaeDecoderSpec& d = spec.decoder;
  if (!vit || d.in_dim != vit->shape().dim || d.rows * of.patch_size != of.input_size ||
      d.cols != d.rows || d.pixels != of.patch_size * of.patch_size * 3 * of.frame_stack ||
      d.dim % d.heads != 0 || d.dim % 4 != 0) {
    ThrowUser("{}: the decoder does not fit the encoder of the file", what);
  }
  Rng unused(0);
  MaeDecoder decoder(d, unused);
  LoadModuleState(*decoder, part->second.tensors, what);
  vit->to(device);
  vit->eval();
  decoder->to(device);
  decoder->eval();
  return {vit, decoder, mask_ratio > 0 ? mask_ratio : spec.mask_ratio, spec.norm_pix_loss};
}

}  // namespace v2r
