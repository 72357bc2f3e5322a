// Momentum contrast: the queue and loss of MoCo v1 and v2, the loss and heads of v3.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"

namespace v2r {

// The keys of past batches (facebookresearch/moco, moco/builder.py). Buffers "queue" float [D,K],
// columns of unit length, and "queue_ptr" int64 [1], where the next keys go.
class KeyQueueImpl : public torch::nn::Module {
 public:
  // Random unit columns.
  KeyQueueImpl(int64_t dim, int64_t size, Rng& rng);
  // q, k float [N,D] of unit length -> [q.k | q.queue] / temperature, [N,1+K]: the positive comes
  // first. Gradient reaches q alone.
  torch::Tensor Logits(const torch::Tensor& q, const torch::Tensor& k, double temperature) const;
  // keys [N,D] replace the oldest. N must divide K.
  void Enqueue(const torch::Tensor& keys);
  // A copy of the queue, [K,D].
  torch::Tensor Rows() const { return queue_.detach().t().clone(); }
  int64_t size() const { return queue_.size(1); }

 private:
  torch::Tensor queue_, pointer_;
};
TORCH_MODULE(KeyQueue);

using Forward = std::function<torch::Tensor(const torch::Tensor&)>;

// One step of MoCo v1/v2. query and key map a batch of N pictures to vectors [N,D] of any length;
// `temperature` is T. symmetric: both views are queries once (the reference's CIFAR-10 notebook).
// permutations: int64 [N], one a direction, in which the keys' batch is shuffled for BatchNorm and
// put back afterwards; empty = as it is. The caller moves the key network before (EmaUpdate: the
// reference does it between the two forward passes, which is the same), and enqueues `keys` after
// the last batch of a step: the queue holds keys of past steps.
struct MocoStep {
  torch::Tensor loss;    // mean cross entropy; the sum of both directions when symmetric
  torch::Tensor logits;  // of the first direction, [N,1+K]
  torch::Tensor keys;    // for the queue: of x2 [N,D]; when symmetric [2N,D], those of x1 first
};
MocoStep MocoLoss(const Forward& query, const Forward& key, const KeyQueueImpl& queue,
                  const torch::Tensor& x1, const torch::Tensor& x2, double temperature,
                  bool symmetric, const std::vector<torch::Tensor>& permutations = {});

// MoCo v3 (facebookresearch/moco-v3, moco/builder.py contrastive_loss): q, k float [N,D] of any
// length; 2 T CE(q k^T / T, own row). No gradient reaches k.
torch::Tensor MocoV3Loss(const torch::Tensor& q, const torch::Tensor& k, double temperature);

// MoCo v3's projector and predictor: `layers` linear layers without bias, BatchNorm and ReLU after
// all but the last, and last_norm a BatchNorm without weights after the last.
torch::nn::Sequential MocoV3Mlp(int64_t layers, int64_t in_dim, int64_t hidden_dim, int64_t out_dim,
                                bool last_norm);

}  // namespace v2r
