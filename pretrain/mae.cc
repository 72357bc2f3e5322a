#include "pretrain/mae.h"

#include <utility>

#include "core/error.h"
#include "core/torch_rng.h"
#include "pretrain/pictures.h"

namespace v2r {

Mae::Mae(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  const EncoderSpec& spec = net_->spec();
  const auto vit = std::dynamic_pointer_cast<VitImpl>(net_);
  if (!vit || spec.stem != "patch" || !spec.cls_token || spec.registers > 0) {
    ThrowUser(
        "pretrain.method=mae leaves patches out: it needs a transformer (encoder.arch=vit_micro, "
        "vit_tiny, ...) with stem=patch cls_token=true registers=0, not arch={} stem={} "
        "cls_token={} registers={}",
        spec.arch, spec.stem, spec.cls_token, spec.registers);
  }
  const int64_t side = spec.input_size / spec.patch_size;
  patches_ = side * side;
  const auto kept = static_cast<int64_t>(static_cast<double>(patches_) * (1 - options_.mask_ratio));
  if (kept < 1) {
    ThrowUser(
        "pretrain.mask_ratio={} leaves none of {} patches: smaller encoder.patch_size or ratio",
        options_.mask_ratio, patches_);
  }
  if (options_.decoder_dim % options_.decoder_heads != 0 || options_.decoder_dim % 4 != 0) {
    ThrowUser("pretrain.decoder_dim={} must be a multiple of decoder_heads={} and of 4",
              options_.decoder_dim, options_.decoder_heads);
  }
  part_ = {.decoder = {.in_dim = vit->shape().dim,
                       .dim = options_.decoder_dim,
                       .depth = options_.decoder_depth,
                       .heads = options_.decoder_heads,
                       .rows = side,
                       .cols = side,
                       .pixels = spec.patch_size * spec.patch_size * 3 * spec.frame_stack,
                       .layout = SinCosLayoutOf(spec)},
           .mask_ratio = options_.mask_ratio,
           .norm_pix_loss = options_.norm_pix_loss};
  decoder_ = MaeDecoder(part_.decoder, rng);
  AddTrained("decoder", decoder_.ptr());
  autoencoder_ =
      std::make_unique<MaskedAutoencoder>(vit, decoder_, part_.mask_ratio, part_.norm_pix_loss);
}

void Mae::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  RequireDistinctFrames(clips, options_);
  demos_ = Normalise(net_->spec(), demos);
}

PretrainBatch Mae::Views(const ClipSet& clips, Rng& rng) const {
  const auto frames = DistinctFrames(clips, options_.batch_size, rng);
  const auto views = AugmentedViews(clips, frames, options_.augment, net_->spec(), rng);
  return {{{"views", views}, {"noise", RandomUniform(rng, {options_.batch_size, patches_})}}};
}

Pretrainer::StepResult Mae::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const auto pictures = Normalise(net_->spec(), batch.tensors.at("views"));
  const auto loss =
      Mixed([&] { return autoencoder_->Forward(pictures, batch.tensors.at("noise")).loss; });
  return {loss, {}};
}

void Mae::AfterStep(int64_t step, int64_t total_steps) {
  if (step + 1 < total_steps || !options_.data_dependent_init || !net_->last_linear()) return;
  net_->eval();
  DataDependentInit(*net_, demos_);
  net_->train();
}

EncoderParts Mae::parts() { return {{kMaePart, MaePart(part_, *decoder_)}}; }

std::vector<torch::Tensor> Mae::Parameters() { return ParametersButLast(); }

}  // namespace v2r
