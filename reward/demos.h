// What every reward asks of demonstrations and checkpoints.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/safetensors.h"
#include "reward/reward_model.h"

namespace v2r {

// The good demonstrations on `device`, float32. UserError when there is none, when one has no
// frames, or when the embedding size is not `embedding_dim`.
std::vector<torch::Tensor> GoodDemos(const DemoFeatures& demos, int64_t embedding_dim,
                                     const torch::Device& device);
// UserError when the checkpoint holds another reward.
void RequireRewardName(const StateDict& state, const std::string& name);

}  // namespace v2r
