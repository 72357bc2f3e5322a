// A head of the encoder file that a reward reads, and the range of its values in demonstrations.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>

#include "core/safetensors.h"
#include "reward/make.h"

namespace v2r {

// What pretraining calls a reward's head, how many embeddings the head takes and how many numbers
// it gives.
struct HeadLayout {
  std::string reward;   // its name, for messages
  std::string name;     // of the head when reward.head is empty
  std::string method;   // the pretraining that makes it
  int64_t embeddings;   // taken, one after the other
  int64_t numbers = 1;  // given
};

class RewardHead {
 public:
  // UserError when the encoder file has no such head (naming those it has), or one of another
  // layout.
  RewardHead(const std::string& chosen, const HeadLayout& layout,
             std::shared_ptr<const Encoder> encoder, const torch::Device& device);
  // [..., embeddings * D] -> [..., numbers] on the reward's device, float32.
  torch::Tensor Apply(const torch::Tensor& z) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
};

// The value v at the demonstrations' starts and ends.
struct DemoRange {
  double start = 0, end = 0;

  // UserError naming `head` when v does not rise from start to end.
  static DemoRange Of(const torch::Tensor& starts, const torch::Tensor& ends,
                      const std::string& head);
  // (v - end) / (end - start): -1 at a start, 0 at an end.
  torch::Tensor Scaled(const torch::Tensor& v) const { return (v - end) / (end - start); }
  bool known() const { return end > start; }
  void SaveState(StateDict& state) const;  // "u_start", "u_end"
  void LoadState(const StateDict& state);
};

}  // namespace v2r
