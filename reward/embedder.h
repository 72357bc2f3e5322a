// One encoder, or several side by side: what a reward embeds pictures with.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "reward/options.h"

namespace v2r {

class Embedder {
 public:
  // `first` must outlive this object.
  Embedder(const Encoder* first, std::vector<std::shared_ptr<const Encoder>> more)
      : first_(first), more_(std::move(more)) {}
  // uint8 [B,H,W,3] -> float32 [B,D] on the first encoder's device: the embeddings of all encoders
  // beside each other.
  torch::Tensor Embed(const torch::Tensor& frames) const;

 private:
  const Encoder* first_;
  std::vector<std::shared_ptr<const Encoder>> more_;
};

// The encoders that options.ensemble.encoders name, when the reward is an ensemble. UserError: a
// file that is missing or does not fit.
std::vector<std::shared_ptr<const Encoder>> MoreEncoders(const RewardOptions& options,
                                                         const torch::Device& device);

}  // namespace v2r
