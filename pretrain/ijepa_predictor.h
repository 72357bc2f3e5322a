// I-JEPA's predictor: from the tokens of some patches to what the target encoder says of others.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "models/vit_block.h"

namespace v2r {

struct IjepaPredictorSpec {
  int64_t in_dim = 0;  // of the encoder's tokens
  int64_t dim = 0, depth = 0, heads = 0;
  int64_t rows = 0, cols = 0;  // of patches
};

// facebookresearch/ijepa src/models/vision_transformer.py VisionTransformerPredictor; parameters
// predictor_embed, mask_token, predictor_blocks.N, predictor_norm, predictor_proj, and the fixed
// table predictor_pos_embed (MAE's layout, no cls row). Drawn as src/helper.py does: linear layers
// and mask token N(0, .02), biases 0.
class IjepaPredictorImpl : public torch::nn::Module {
 public:
  IjepaPredictorImpl(const IjepaPredictorSpec& spec, Rng& rng);
  // tokens [M*B,K,in_dim] of the context masks int64 [M,B,K], mask after mask; targets int64
  // [T,B,L] -> [T*M*B,L,in_dim]: for each target mask, for each context mask, for each picture.
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& context,
                        const torch::Tensor& targets);

 private:
  torch::nn::Linear embed_{nullptr}, proj_{nullptr};
  torch::Tensor mask_token_, positions_;
  std::vector<VitBlock> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(IjepaPredictor);

}  // namespace v2r
