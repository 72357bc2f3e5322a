// The front of every encoder: any picture to the network's input.
#pragma once

#include <torch/torch.h>

#include "models/encoder.h"

namespace v2r {

// Preprocess() in a number type of choice (kFloat or kBFloat16). Error: not uint8 [B,(S,)H,W,3]
// with the spec's S.
torch::Tensor PreprocessAs(const EncoderSpec& spec, const torch::Tensor& frames,
                           torch::ScalarType dtype);
// frames [B,H,W,3] or [B,S,H,W,3] -> [B,S,H,W,3]; the check of PreprocessAs.
torch::Tensor WithStack(const EncoderSpec& spec, const torch::Tensor& frames);

}  // namespace v2r
