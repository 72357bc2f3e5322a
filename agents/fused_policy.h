// A policy network's passes by agents/fused_mlp.h, on the network's own flat parameters and
// gradients.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agents/fused_mlp.h"

namespace v2r {

class FusedPolicy {
 public:
  // Layers of the shared trunk (may be none), the actor and the critic.
  struct Layers {
    std::vector<FusedMlp::Layer> trunk, actor, critic;
  };
  FusedPolicy(Layers layers, Activation activation, const SimdKernels& kernels);

  // To be called whenever parameters have changed.
  void Refresh();
  // x: `rows` observations, `stride` floats apart. Results in actor() [rows, actor_stride()] and
  // value() [rows, value_stride()].
  void Forward(const float* x, int64_t stride, int64_t rows);
  void ForwardCritic(const float* x, int64_t stride, int64_t rows);
  const float* actor() const { return actor_.output(); }
  int64_t actor_stride() const { return actor_.stride(); }
  const float* value() const { return critic_.output(); }
  int64_t value_stride() const { return critic_.stride(); }
  float* grad_actor() { return actor_.grad_output(); }
  float* grad_value() { return critic_.grad_output(); }
  // After Forward of the same rows, readable up to SimdPadded(obs_dim), and with the two gradients
  // written: overwrites the gradients of all layers.
  void Backward(const float* x, int64_t stride, int64_t rows);

  const SimdKernels& kernels() const { return kernels_; }

 private:
  const SimdKernels& kernels_;
  std::optional<FusedMlp> trunk_;
  FusedMlp actor_, critic_;
  std::vector<float> critic_grad_;  // of the trunk's output
};

}  // namespace v2r
