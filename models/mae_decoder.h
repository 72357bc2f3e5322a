// MAE's light decoder: from the tokens of some patches to the pixels of all.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/options.h"
#include "models/vit_block.h"

namespace v2r {

struct MaeDecoderSpec {
  int64_t in_dim = 0;  // of the encoder's tokens
  int64_t dim = 0, depth = 0, heads = 0;
  int64_t rows = 0, cols = 0;  // of patches
  int64_t pixels = 0;          // numbers in a patch: p * p * channels
  std::string layout = "mae";  // of its fixed positions, as SinCosTable names it

  template <typename V>
  void Fields(V& v) {
    v("in_dim", in_dim, "width of the encoder's tokens", AtLeast(1));
    v("dim", dim, "width", AtLeast(4));
    v("depth", depth, "blocks", AtLeast(1));
    v("heads", heads, "heads of a block", AtLeast(1));
    v("rows", rows, "rows of patches", AtLeast(1));
    v("cols", cols, "columns of patches", AtLeast(1));
    v("pixels", pixels, "numbers in a patch", AtLeast(1));
    v("layout", layout, "of the positions");
  }
};

// facebookresearch/mae models_mae.py forward_decoder; parameters decoder_embed, mask_token,
// decoder_blocks.N, decoder_norm, decoder_pred, and the fixed table decoder_pos_embed. Drawn as MAE
// does: linear layers Xavier-uniform with bias 0, mask token N(0, .02).
class MaeDecoderImpl : public torch::nn::Module {
 public:
  MaeDecoderImpl(const MaeDecoderSpec& spec, Rng& rng);
  // latent [B,1+K,in_dim], cls first; restore int64 [B,N] (learn/mae.h) -> [B,N,pixels].
  torch::Tensor forward(const torch::Tensor& latent, const torch::Tensor& restore);

 private:
  torch::nn::Linear embed_{nullptr}, pred_{nullptr};
  torch::Tensor mask_token_, positions_;
  std::vector<VitBlock> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(MaeDecoder);

}  // namespace v2r
