// Exponential moving average of a network: momentum encoders and teachers.
#pragma once

#include <torch/torch.h>

namespace v2r {

// target <- momentum * target + (1 - momentum) * source over the parameters, paired by name.
// Buffers (BatchNorm's statistics) are left alone, as in MoCo, DINO and I-JEPA: the target gathers
// its own. Error: the modules differ.
void EmaUpdate(torch::nn::Module& target, const torch::nn::Module& source, double momentum);
// Copies parameters and buffers by name.
void CopyState(torch::nn::Module& target, const torch::nn::Module& source);
// No gradient for any parameter.
void Freeze(torch::nn::Module& module);

}  // namespace v2r
