// A fully connected network on views of flat parameter and gradient vectors, with its own backward
// pass: no autograd graph, no allocation once the buffers exist. A 12-64-64-2 network costs a third
// of autograd's time on a minibatch of 256.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agents/simd_kernels.h"

namespace v2r {

Activation ParseActivation(const std::string& name);  // "tanh", "relu", "elu"

// One linear layer: y = x weight^T + bias.
struct LinearView {
  torch::Tensor weight, bias;            // float32 [out,in], [out]
  torch::Tensor weight_grad, bias_grad;  // same shapes, written by Backward
};

class Mlp {
 public:
  // What one pass over `rows` samples needs; reused by every pass of that size.
  struct Buffers {
    int64_t rows = 0;
    std::vector<torch::Tensor>
        outputs;                       // of each layer [rows,out]; hidden ones after the activation
    std::vector<torch::Tensor> grads;  // of each activated output [rows,out]
    const torch::Tensor& output() const { return outputs.back(); }
  };

  // The activation stands between the layers, and after the last if `activate_last`.
  Mlp(std::vector<LinearView> layers, Activation activation, bool activate_last = false);
  Buffers MakeBuffers(int64_t rows) const;
  // x float32 [rows,in] -> buffers.output() [rows,out].
  void Forward(const torch::Tensor& x, Buffers& buffers) const;
  // After Forward(x, buffers): overwrites the layers' gradients with those of sum(grad_output *
  // output). `grad_x` [rows,in], where given, gets that of x.
  void Backward(const torch::Tensor& x, const torch::Tensor& grad_output, Buffers& buffers,
                torch::Tensor* grad_x = nullptr) const;

 private:
  std::vector<LinearView> layers_;
  std::vector<torch::Tensor> transposed_;  // weight^T views
  Activation activation_;
  bool activate_last_;
};

}  // namespace v2r
