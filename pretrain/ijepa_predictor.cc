#include "pretrain/ijepa_predictor.h"

#include "core/error.h"
#include "core/torch_rng.h"
#include "learn/ijepa.h"
#include "models/positions.h"

namespace v2r {

IjepaPredictorImpl::IjepaPredictorImpl(const IjepaPredictorSpec& spec, Rng& rng) {
  const torch::NoGradGuard no_grad;
  embed_ = register_module("predictor_embed", torch::nn::Linear(spec.in_dim, spec.dim));
  mask_token_ = register_parameter("mask_token", torch::zeros({1, 1, spec.dim}));
  positions_ = register_buffer("predictor_pos_embed",
                               SinCosTable(spec.dim, spec.rows, spec.cols, "mae", false));
  blocks_ = RegisterVitBlocks(*this, "predictor_blocks", spec.depth, spec.dim, spec.heads);
  norm_ = register_module("predictor_norm", VitNorm(spec.dim));
  proj_ = register_module("predictor_proj", torch::nn::Linear(spec.dim, spec.in_dim));
  const Rng base(rng.NextU64());
  for (const auto& item : named_parameters()) {
    auto parameter = item.value();
    Rng stream = base.Fork(item.key());
    if (parameter.dim() >= 2) {
      parameter.copy_(RandomNormal(stream, parameter.sizes()) * 0.02);
    } else if (item.key().ends_with("bias")) {
      parameter.zero_();
    }
  }
}

torch::Tensor IjepaPredictorImpl::forward(const torch::Tensor& tokens, const torch::Tensor& context,
                                          const torch::Tensor& targets) {
  const int64_t batch = context.size(1);
  V2R_CHECK_EQ(tokens.size(0), context.size(0) * batch);
  const auto positions = positions_.expand({batch, -1, -1});
  const auto seen = embed_->forward(tokens) + ApplyMasks(positions, context);
  const auto asked =
      mask_token_ + RepeatInterleaveBatch(ApplyMasks(positions, targets), batch, context.size(0));
  auto x = torch::cat({seen.repeat({targets.size(0), 1, 1}), asked}, 1);
  for (auto& block : blocks_) x = block->forward(x);
  return proj_->forward(norm_->forward(x).slice(1, seen.size(1)));
}

}  // namespace v2r
