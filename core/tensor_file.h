// Between torch tensors and blobs, and tensors in safetensors files.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <string>

#include "core/safetensors.h"

namespace v2r {

using TensorDict = std::map<std::string, torch::Tensor>;

Blob ToBlob(const torch::Tensor& tensor);        // copies to CPU, contiguous
torch::Tensor ToTensor(const Blob& blob);        // owns its memory, CPU
StateDict ToStateDict(const TensorDict& tensors);
TensorDict ToTensors(const StateDict& state);

// Named parameters and buffers of a module, as torchvision's state_dict names them; detached, sharing the module's memory.
TensorDict ModuleState(const torch::nn::Module& module);
// Copies by name into parameters and buffers. UserError naming the first missing, unexpected or wrongly shaped tensor and `what`.
void LoadModuleState(torch::nn::Module& module, const TensorDict& state, const std::string& what);
// State of torch::optim::Adam/AdamW/SGD-like optimisers (those that keep AdamParamState, AdamWParamState or SGDParamState): per
// parameter index "0.step", "0.exp_avg", "0.momentum_buffer", ... in the order of parameters, and "group.0.lr". Loading changes nothing
// when it throws.
StateDict SaveOptimizer(const torch::optim::Optimizer& optimizer);
void LoadOptimizer(torch::optim::Optimizer& optimizer, const StateDict& state, const std::string& what);

}  // namespace v2r
