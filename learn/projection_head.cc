#include "learn/projection_head.h"

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

// One layer as a module of its own, for the name "nl_I".
struct HeadLayerImpl : public torch::nn::Module {
  HeadLayerImpl(int64_t in, int64_t out)
      : dense(register_module("dense",
                              torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false)))),
        bn(register_module("bn", torch::nn::BatchNorm1d(out))) {}
  torch::nn::Linear dense;
  torch::nn::BatchNorm1d bn;
};

}  // namespace

ProjectionHeadImpl::ProjectionHeadImpl(const ProjectionHeadSpec& spec, Rng& rng) : spec_(spec) {
  V2R_CHECK(spec.in_dim > 0 && spec.hidden_dim > 0 && spec.out_dim > 0 && spec.layers > 0,
            "projection head {} -> {} -> {}, {} layers", spec.in_dim, spec.hidden_dim, spec.out_dim,
            spec.layers);
  const torch::NoGradGuard no_grad;
  const Rng base(rng.NextU64());
  int64_t width = spec.in_dim;
  for (int64_t i = 0; i < spec.layers; ++i) {
    const bool last = i + 1 == spec.layers;
    const auto name = "nl_" + std::to_string(i);
    const auto layer = register_module(
        name, std::make_shared<HeadLayerImpl>(width, last ? spec.out_dim : spec.hidden_dim));
    Rng stream = base.Fork(name);
    layer->dense->weight.copy_(RandomNormal(stream, layer->dense->weight.sizes()) * 0.01);
    if (last) layer->bn->bias.requires_grad_(false);  // the last normalisation only scales
    layers_.push_back({layer->dense, layer->bn});
    width = spec.hidden_dim;
  }
}

std::vector<torch::Tensor> ProjectionHeadImpl::Layers(torch::Tensor x) {
  std::vector<torch::Tensor> outputs = {x};
  for (size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i].bn->forward(layers_[i].dense->forward(x));
    if (i + 1 < layers_.size()) x = torch::relu(x);
    outputs.push_back(x);
  }
  return outputs;
}

torch::Tensor ProjectionHeadImpl::forward(torch::Tensor x) { return Layers(x).back(); }

}  // namespace v2r
