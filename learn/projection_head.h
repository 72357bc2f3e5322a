// SimCLR's nonlinear projection head (google-research/simclr tf2/model.py ProjectionHead).
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/rng.h"

namespace v2r {

struct ProjectionHeadSpec {
  int64_t in_dim = 0;
  int64_t hidden_dim = 0;  // SimCLR: in_dim
  int64_t out_dim = 128;
  int64_t layers = 2;  // 2 = SimCLR v1, 3 = v2
};

// All layers but the last: Linear without bias, BatchNorm, ReLU; the last: Linear without bias,
// BatchNorm whose shift stays 0. Parameters: nl_I.dense.weight [out,in], nl_I.bn.{weight,bias};
// weights drawn from N(0, 0.01) as in the reference.
class ProjectionHeadImpl : public torch::nn::Module {
 public:
  ProjectionHeadImpl(const ProjectionHeadSpec& spec, Rng& rng);
  torch::Tensor forward(torch::Tensor x);  // [B,in_dim] -> [B,out_dim]
  // The input and the output of every layer: fine-tuning may start at any of them
  // (ft_proj_selector).
  std::vector<torch::Tensor> Layers(torch::Tensor x);
  const ProjectionHeadSpec& spec() const { return spec_; }

 private:
  struct Layer {
    torch::nn::Linear dense{nullptr};
    torch::nn::BatchNorm1d bn{nullptr};
  };
  ProjectionHeadSpec spec_;
  std::vector<Layer> layers_;
};
using ProjectionHead = std::shared_ptr<ProjectionHeadImpl>;

}  // namespace v2r
