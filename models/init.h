// Weights from our own random numbers, so that a seed gives the same network everywhere.
#pragma once

#include <torch/torch.h>

#include "core/rng.h"
#include "models/encoder.h"

namespace v2r {

enum class ConvInit {
  kUniform,         // PyTorch's default: uniform in +-1/sqrt(fan_in)
  kKaimingFanOut,   // torchvision's ResNets: normal with variance 2 / fan_out
  kTruncatedFanIn,  // Keras' VarianceScaling(): normal, cut at two deviations, variance 1 / fan_in
};

// Weights and biases of linear layers (uniform in +-1/sqrt(fan_in), PyTorch's default) and of
// convolutions; normalisation layers are left alone.
void InitWeights(torch::nn::Module& module, Rng& rng, ConvInit conv_init);

// A network whose weights are about to be overwritten. UserError: see CheckSpec().
EncoderNet BlankEncoderNet(const EncoderSpec& spec);

}  // namespace v2r
