// Convolution with bias, residual sum and ReLU in one oneDNN primitive: torch's own inference
// operators, reached through its dispatcher.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace v2r {

// True where the operators exist and this CPU runs `dtype` in them.
bool HasFusedConv(torch::ScalarType dtype);

class FusedConv {
 public:
  // weight [O,I,K,K], bias [O], channels-last input [B,I,H,W] of about the given shape.
  FusedConv(const torch::Tensor& weight, const torch::Tensor& bias, std::vector<int64_t> stride,
            std::vector<int64_t> padding, std::vector<int64_t> input_shape, bool relu);
  torch::Tensor Run(const torch::Tensor& x) const;
  // relu(conv(x) + sum), written into `sum` and returned.
  torch::Tensor RunAdd(const torch::Tensor& x, const torch::Tensor& sum) const;

 private:
  torch::Tensor weight_, bias_;
  std::vector<int64_t> stride_, padding_;
  bool relu_;
};

}  // namespace v2r
