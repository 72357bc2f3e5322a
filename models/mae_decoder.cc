#include "models/mae_decoder.h"

#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"
#include "models/positions.h"

namespace v2r {

MaeDecoderImpl::MaeDecoderImpl(const MaeDecoderSpec& spec, Rng& rng) {
  const torch::NoGradGuard no_grad;
  embed_ = register_module("decoder_embed", torch::nn::Linear(spec.in_dim, spec.dim));
  mask_token_ = register_parameter("mask_token", torch::zeros({1, 1, spec.dim}));
  positions_ = register_buffer("decoder_pos_embed",
                               SinCosTable(spec.dim, spec.rows, spec.cols, spec.layout, true));
  blocks_ = RegisterVitBlocks(*this, "decoder_blocks", spec.depth, spec.dim, spec.heads);
  norm_ = register_module("decoder_norm", VitNorm(spec.dim));
  pred_ = register_module("decoder_pred", torch::nn::Linear(spec.dim, spec.pixels));
  const Rng base(rng.NextU64());
  for (const auto& item : named_parameters()) {
    auto parameter = item.value();
    Rng stream = base.Fork(item.key());
    if (item.key() == "mask_token") {
      parameter.copy_(RandomNormal(stream, parameter.sizes()) * 0.02);
    } else if (parameter.dim() == 2) {
      const double bound =
          std::sqrt(6.0 / static_cast<double>(parameter.size(0) + parameter.size(1)));
      parameter.copy_((RandomUniform(stream, parameter.sizes()) * 2 - 1) * bound);
    } else if (item.key().ends_with("bias")) {
      parameter.zero_();
    }
  }
}

torch::Tensor MaeDecoderImpl::forward(const torch::Tensor& latent, const torch::Tensor& restore) {
  const auto x = embed_->forward(latent);
  const int64_t batch = x.size(0), missing = restore.size(1) - (x.size(1) - 1);
  V2R_CHECK(missing >= 0, "latent [{}], {} patches", fmt::join(x.sizes(), ", "), restore.size(1));
  auto patches = torch::cat({x.slice(1, 1), mask_token_.expand({batch, missing, -1})}, 1);
  patches = patches.gather(1, restore.unsqueeze(-1).expand({-1, -1, x.size(2)}));
  auto tokens = torch::cat({x.slice(1, 0, 1), patches}, 1) + positions_;
  for (auto& block : blocks_) tokens = block->forward(tokens);
  return pred_->forward(norm_->forward(tokens)).slice(1, 1);
}

}  // namespace v2r
