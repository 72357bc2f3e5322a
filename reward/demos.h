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
// Mean distance of a demonstration's first frame to its own last one. UserError when there is none:
// the encoder cannot tell them apart.
double StartGoalDistance(const std::string& metric, const std::vector<torch::Tensor>& demos);
// A clip z [L,D] as the episode that was filmed: L-1 steps [L-1,1], the last one ending it, in
// success when `good`, and its goal picture its own last frame.
RolloutFeatures ClipFeatures(const torch::Tensor& z, bool good);
// Demonstrations [L_i,D] as part of a checkpoint.
void SaveDemoRows(StateDict& state, const std::vector<torch::Tensor>& demos);
std::vector<torch::Tensor> LoadDemoRows(const StateDict& state, const torch::Device& device);
// UserError when the checkpoint holds another reward.
void RequireRewardName(const StateDict& state, const std::string& name);

}  // namespace v2r
