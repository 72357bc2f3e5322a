// Weights from our own random numbers, so that a seed gives the same network everywhere.
#pragma once

#include <torch/torch.h>

#include "core/rng.h"

namespace v2r {

// PyTorch's default of Linear and Conv2d: weight and bias uniform in +-1/sqrt(fan_in).
// Normalisation layers are left alone.
void UniformInit(torch::nn::Module& module, Rng& rng);
// ResNets' (torchvision): convolution weights normal with variance 2 / fan_out.
void KaimingConvInit(torch::nn::Module& module, Rng& rng);

}  // namespace v2r
