// A pre-norm transformer block: what vision transformers and MAE's decoder are made of.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/rng.h"

namespace v2r {

constexpr double kVitNormEps = 1e-6;

// x [B,N,D] -> [B,N,D]; qkv with bias, scale 1/sqrt(D/heads). Parameters qkv.*, proj.*.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(int64_t dim, int64_t heads);
  torch::Tensor forward(const torch::Tensor& x);
  torch::Tensor Probabilities(const torch::Tensor& x);  // [B,heads,N,N], rows sum to 1
  torch::ScalarType dtype() const { return qkv_->weight.scalar_type(); }

 private:
  torch::Tensor Qkv(const torch::Tensor& x);  // [3,B,heads,N,D/heads]

  int64_t heads_;
  torch::nn::Linear qkv_{nullptr}, proj_{nullptr};
};
TORCH_MODULE(Attention);

// fc1, exact GELU, fc2.
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int64_t dim, int64_t hidden);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(Mlp);

// y = gamma x by channel (CaiT's LayerScale, as DINOv2 and timm name it).
class LayerScaleImpl : public torch::nn::Module {
 public:
  LayerScaleImpl(int64_t dim, double init);
  torch::Tensor forward(const torch::Tensor& x) { return x * gamma_; }

 private:
  torch::Tensor gamma_;
};
TORCH_MODULE(LayerScale);

// x + attn(norm1(x)), then + mlp(norm2(x)), four times as wide inside. Names as timm's and DINO's.
// layer_scale > 0: each branch goes through a LayerScale (ls1, ls2) that starts there. The sums and
// norms keep x's number type where the linear layers have another.
class VitBlockImpl : public torch::nn::Module {
 public:
  VitBlockImpl(int64_t dim, int64_t heads, double layer_scale = 0);
  // drop_rng: null, or where the drop path draws from: each sample loses each of the two branches
  // with probability drop_path, what stays is divided by 1 - drop_path (timm drop_path).
  torch::Tensor forward(torch::Tensor x, Rng* drop_rng = nullptr);
  torch::Tensor AttentionOf(const torch::Tensor& x);  // of forward(x): [B,heads,N,N]
  double drop_path = 0;

 private:
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  Attention attn_{nullptr};
  Mlp mlp_{nullptr};
  LayerScale scale1_{nullptr}, scale2_{nullptr};  // ls1, ls2
};
TORCH_MODULE(VitBlock);

torch::nn::LayerNorm VitNorm(int64_t dim);

// `depth` blocks that `module` owns as its list `name`.
std::vector<VitBlock> RegisterVitBlocks(torch::nn::Module& module, const std::string& name,
                                        int64_t depth, int64_t dim, int64_t heads,
                                        double layer_scale = 0);

}  // namespace v2r
