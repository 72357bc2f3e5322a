#include "models/vit_block.h"

#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

torch::Tensor DropPath(const torch::Tensor& branch, double rate, Rng* rng) {
  if (rng == nullptr || rate == 0) return branch;
  const double keep = 1 - rate;
  const auto kept = RandomUniform(*rng, {branch.size(0), 1, 1}).lt(keep).to(branch.options());
  return branch * (kept / keep);
}

}  // namespace

torch::nn::LayerNorm VitNorm(int64_t dim) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(kVitNormEps));
}

AttentionImpl::AttentionImpl(int64_t dim, int64_t heads) : heads_(heads) {
  V2R_CHECK(heads > 0 && dim % heads == 0, "{} channels for {} heads", dim, heads);
  qkv_ = register_module("qkv", torch::nn::Linear(dim, 3 * dim));
  proj_ = register_module("proj", torch::nn::Linear(dim, dim));
}

torch::Tensor AttentionImpl::Qkv(const torch::Tensor& x) {
  return qkv_->forward(x)
      .view({x.size(0), x.size(1), 3, heads_, x.size(2) / heads_})
      .permute({2, 0, 3, 1, 4});
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x) {
  const auto parts = Qkv(x);
  const auto y = torch::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
  return proj_->forward(y.transpose(1, 2).reshape(x.sizes()));
}

torch::Tensor AttentionImpl::Probabilities(const torch::Tensor& x) {
  const auto parts = Qkv(x);
  const double scale = 1 / std::sqrt(static_cast<double>(x.size(2) / heads_));
  return torch::softmax(torch::matmul(parts[0], parts[1].transpose(-2, -1)) * scale, -1);
}

MlpImpl::MlpImpl(int64_t dim, int64_t hidden) {
  fc1_ = register_module("fc1", torch::nn::Linear(dim, hidden));
  fc2_ = register_module("fc2", torch::nn::Linear(hidden, dim));
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) {
  return fc2_->forward(torch::gelu(fc1_->forward(x)));
}

LayerScaleImpl::LayerScaleImpl(int64_t dim, double init) {
  gamma_ = register_parameter("gamma", torch::full({dim}, init));
}

VitBlockImpl::VitBlockImpl(int64_t dim, int64_t heads, double layer_scale) {
  norm1_ = register_module("norm1", VitNorm(dim));
  attn_ = register_module("attn", Attention(dim, heads));
  norm2_ = register_module("norm2", VitNorm(dim));
  mlp_ = register_module("mlp", Mlp(dim, 4 * dim));
  if (layer_scale > 0) {
    scale1_ = register_module("ls1", LayerScale(dim, layer_scale));
    scale2_ = register_module("ls2", LayerScale(dim, layer_scale));
  }
}

torch::Tensor VitBlockImpl::forward(torch::Tensor x, Rng* drop_rng) {
  const auto inner = attn_->dtype(), outer = x.scalar_type();
  auto branch = attn_->forward(norm1_->forward(x).to(inner)).to(outer);
  if (!scale1_.is_empty()) branch = scale1_->forward(branch);
  x = x + DropPath(branch, drop_path, drop_rng);
  branch = mlp_->forward(norm2_->forward(x).to(inner)).to(outer);
  if (!scale2_.is_empty()) branch = scale2_->forward(branch);
  return x + DropPath(branch, drop_path, drop_rng);
}

torch::Tensor VitBlockImpl::AttentionOf(const torch::Tensor& x) {
  return attn_->Probabilities(norm1_->forward(x).to(attn_->dtype()));
}

std::vector<VitBlock> RegisterVitBlocks(torch::nn::Module& module, const std::string& name,
                                        int64_t depth, int64_t dim, int64_t heads,
                                        double layer_scale) {
  std::vector<VitBlock> blocks;
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < depth; ++i) {
    blocks.push_back(VitBlock(dim, heads, layer_scale));
    list->push_back(blocks.back());
  }
  module.register_module(name, list);
  return blocks;
}

}  // namespace v2r
