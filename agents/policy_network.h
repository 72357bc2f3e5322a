// Actor and critic over one flat parameter vector, so that clipping and Adam are one call each.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agents/fused_policy.h"
#include "agents/mlp.h"
#include "core/rng.h"
#include "core/tensor_file.h"

namespace v2r {

struct PolicyNetworkOptions {
  int64_t obs_dim = 0;
  int64_t act_dim = 0;
  std::vector<int64_t> hidden_sizes = {64, 64};
  std::vector<int64_t> value_hidden_sizes = {};  // of the critic, empty = hidden_sizes
  std::string activation = "tanh";
  double log_std_init = -0.5;
  // Else torch.nn.Linear's: weights and biases uniform within 1 / sqrt(inputs).
  bool ortho_init = true;
  // The hidden layers serve actor and critic alike; each has one layer of its own.
  bool shared_trunk = false;
  // The actor's last layer gives mean and log standard deviation; there is no actor_logstd.
  bool state_dependent_std = false;
  // On the CPU, with layers of at most kFusedWidth units: the passes of agents/fused_policy.h.
  bool fused = true;
};

// Parameters carry CleanRL's names: actor_mean.{0,2,4..}.{weight,bias},
// critic.{0,2,4..}.{weight,bias}, actor_logstd [1,A]; trunk.{0,2,..} where it is shared.
class PolicyNetwork {
 public:
  static constexpr int64_t kFusedWidth = 512;

  struct Buffers {
    Mlp::Buffers trunk, actor, critic;
    torch::Tensor grad_trunk, grad_trunk_of_critic;                 // [B,H] with a shared trunk
    const torch::Tensor& mean() const { return actor.output(); }    // [B,A], or [B,2A]
    const torch::Tensor& value() const { return critic.output(); }  // [B,1]
  };

  // Orthogonal weights (gain sqrt 2; 0.01 for the policy's last layer, 1 for the critic's), zero
  // biases; drawn from `rng` on the CPU, then moved to `device`.
  PolicyNetwork(const PolicyNetworkOptions& options, Rng& rng, const torch::Device& device);
  PolicyNetwork(const PolicyNetwork&) = delete;
  PolicyNetwork& operator=(const PolicyNetwork&) = delete;

  Buffers MakeBuffers(int64_t rows) const;
  // x float32 [B,O], normalised, on the device.
  void Forward(const torch::Tensor& x, Buffers& buffers) const;
  // After Forward: overwrites the networks' gradients; that of log_std is the caller's to write.
  void Backward(const torch::Tensor& x, const torch::Tensor& grad_mean,
                const torch::Tensor& grad_value, Buffers& buffers) const;
  // The critic alone: x [B,O] on any device -> float32 [B] on the CPU.
  torch::Tensor Value(const torch::Tensor& x) const;
  // The actor alone, likewise -> float32 [B,A] or [B,2A].
  torch::Tensor Actor(const torch::Tensor& x) const;

  // The passes without torch, null where they cannot serve; fused_obstacle() then says why.
  FusedPolicy* fused() const { return fused_.get(); }
  const std::string& fused_obstacle() const { return fused_obstacle_; }
  // To be called after parameters() were written to.
  void ParametersChanged();

  // Whether a pass over `rows` samples is so small that one CPU thread should do it
  // (agents/serial_torch.h).
  bool IsSmall(int64_t rows) const;

  int64_t obs_dim() const { return options_.obs_dim; }
  int64_t act_dim() const { return options_.act_dim; }
  const torch::Device& device() const { return device_; }
  // [A]; empty with state_dependent_std.
  const torch::Tensor& log_std() const { return log_std_; }
  const torch::Tensor& log_std_grad() const { return log_std_grad_; }
  const torch::Tensor& parameters() const { return parameters_; }  // flat [P]
  const torch::Tensor& gradients() const { return gradients_; }    // flat [P]

  // Views by name.
  const TensorDict& named_parameters() const { return named_parameters_; }
  const TensorDict& named_gradients() const { return named_gradients_; }
  // Copies by name. UserError naming the first tensor that is missing, unexpected or of another
  // shape, and `what`.
  void Load(const TensorDict& state, const std::string& what);

 private:
  struct Slot {
    std::string name;
    std::vector<int64_t> shape;
    double gain;  // of the orthogonal initialisation; 0 = fill with `fill`
    double fill;
    int64_t inputs = 0;  // of a layer
  };
  std::vector<Slot> Layout() const;
  std::vector<LinearView> LayersOf(const std::string& name) const;
  void MakeFused(Activation activation);

  PolicyNetworkOptions options_;
  torch::Device device_;
  torch::Tensor parameters_, gradients_;
  TensorDict named_parameters_, named_gradients_;
  torch::Tensor log_std_, log_std_grad_;
  std::vector<Mlp> mlps_;  // actor_mean, critic, and the trunk where it is shared
  std::unique_ptr<FusedPolicy> fused_;
  std::string fused_obstacle_;
};

// A matrix [rows,cols] with orthonormal rows or columns (whichever are fewer), times `gain`.
// Source: Saxe et al. 2013 (arXiv:1312.6120), drawn as torch.nn.init.orthogonal_ does: QR of a
// normal matrix, signs of R's diagonal taken out.
torch::Tensor OrthogonalMatrix(int64_t rows, int64_t cols, double gain, Rng& rng);

}  // namespace v2r
