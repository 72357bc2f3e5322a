// The encoder that learns nothing: the shrunk, normalised picture itself.
#pragma once

#include <torch/torch.h>

#include "models/encoder.h"

namespace v2r {

// No parameters; embedding = the input flattened in the order [C,H,W], D = 3 * frame_stack *
// input_size^2. The baseline that a learned encoder has to beat. UserError when embedding_dim is
// not 0: there is no last layer.
class PixelsImpl : public EncoderNetImpl {
 public:
  explicit PixelsImpl(const EncoderSpec& spec);
  torch::Tensor forward(torch::Tensor x) override;
  torch::nn::Linear last_linear() override { return nullptr; }
  int64_t output_dim() const override;
  bool any_size() const override { return false; }
  void Trace(InferencePlan& plan) const override;
};

EncoderNet MakePixels(const EncoderSpec& spec);

}  // namespace v2r
