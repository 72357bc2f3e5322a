// Vision transformers (Dosovitskiy et al. 2021) as DINO, MAE, MoCo v3 and timm build them: names of
// the parameters as theirs, so that weights map one to one.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/vit_block.h"

namespace v2r {

struct VitShape {
  int64_t dim = 0, depth = 0, heads = 0;
};
// vit_micro 128 x 4 blocks (4 heads), vit_tiny 192 x 12 (3), vit_small 384 x 12 (6), vit_base 768 x
// 12 (12), vit_large 1024 x 24 (16), vit_huge 1280 x 32 (16); then spec.width, spec.depth and
// spec.heads.
VitShape VitShapeOf(const EncoderSpec& spec);

// How fresh weights are drawn. kDino (vision_transformer.py): linear layers, cls token and
// positions N(0, .02), biases 0, patch embedding PyTorch's. kMae (models_mae.py): linear layers and
// patch embedding (on its flattened view) Xavier-uniform, cls token N(0, .02). kMocoV3 (vits.py):
// Xavier-uniform, of qkv as three layers, patch embedding too with bias 0, cls token N(0, 1e-6).
// kIjepa (src/helper.py): linear layers and patch embedding N(0, .02), biases 0. Without a cls token
// I-JEPA's; else by spec.positions: learned is DINO's, sincos MAE's, sincos_mocov3 MoCo v3's.
enum class VitInit { kDino, kMae, kMocoV3, kIjepa };
VitInit VitInitOf(const EncoderSpec& spec);

// Patch embedding (a convolution, or with stem=conv MoCo v3's four 3x3 convolutions with BatchNorm,
// then 1x1), cls token, positions, DINOv2's register tokens (without positions), pre-norm blocks,
// final norm; then pooling and `fc`. Positions are a parameter when learned, else a buffer. Any
// height and width that patch_size divides: positions of another grid as DINO interpolates them.
// N patches; E tokens before them: the cls token if spec.cls_token, then spec.registers.
class VitImpl : public EncoderNetImpl {
 public:
  VitImpl(const EncoderSpec& spec, const VitShape& shape);

  // float [B,3S,H,W] -> [B,D]. pooling flatten: all patch tokens (H = W = input_size); avg: their
  // mean; cls: the cls token; all after the final norm.
  torch::Tensor forward(torch::Tensor x) override;
  torch::nn::Linear last_linear() override { return fc_; }
  int64_t output_dim() const override { return output_dim_; }
  void Trace(InferencePlan& plan) const override;
  bool any_size() const override {
    return spec_.pooling != "flatten" && spec_.background == "none";
  }

  // The parts of forward. N patches, row by row.
  torch::Tensor Input(const torch::Tensor& x) const;      // spec.background taken off
  torch::Tensor UndoInput(const torch::Tensor& x) const;  // the inverse
  torch::Tensor PatchTokens(const torch::Tensor& x);      // of Input(): [B,N,D], no positions
  torch::Tensor Positions(int64_t rows, int64_t cols);    // [1,1+N,D], without cls token [1,N,D]
  torch::Tensor cls_token() const { return cls_token_; }  // [1,1,D]; undefined: there is none
  int64_t extra_tokens() const;                           // E
  torch::Tensor Tokens(const torch::Tensor& x);  // [B,E+N,D], cls first: into the first block
  torch::Tensor Blocks(torch::Tensor tokens);    // all blocks and the final norm
  torch::Tensor Pool(const torch::Tensor& tokens) const;  // of Blocks(): [B,F]
  // The output of the last `count` blocks, each through the final norm, oldest first: [B,E+N,D].
  std::vector<torch::Tensor> IntermediateLayers(const torch::Tensor& x, int64_t count);
  // Attention probabilities of the last block: [B,heads,E+N,E+N].
  torch::Tensor LastAttention(const torch::Tensor& x);

  // MoCo v3's stop-grad of the patch projection (its section 4.2): it stays as it was drawn.
  // UserError: stem=conv, which needs none.
  void FreezePatchEmbed();
  // A teacher loses no branch, whatever its spec says.
  void SetDropPath(double rate);
  // spec.background=subtract: input <- (input - mean) / (deviation + 0.1) of each pixel over
  // x [M,3S,input_size,input_size], M >= 2, as forward takes it.
  void SetBackground(const torch::Tensor& x);
  // Draws all weights of the transformer; `fc` as PyTorch does.
  void Init(Rng& rng, VitInit init);

  const VitShape& shape() const { return shape_; }

 private:
  torch::Tensor Pooled(const torch::Tensor& x);

  VitShape shape_;
  torch::Tensor cls_token_, positions_, register_tokens_;
  torch::Tensor background_mean_, background_deviation_;
  torch::Tensor drop_draws_;  // int64: what the next drop path is drawn from
  torch::nn::Sequential stem_{nullptr};
  torch::nn::Conv2d patch_{nullptr};
  std::vector<VitBlock> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear fc_{nullptr};
  int64_t output_dim_ = 0;
};
using Vit = std::shared_ptr<VitImpl>;

bool IsVit(const std::string& arch);
EncoderNet MakeVit(const EncoderSpec& spec);
// spec.positions' layout as SinCosTable names it.
std::string SinCosLayoutOf(const EncoderSpec& spec);

}  // namespace v2r
