#include "core/error.h"
#include "models/encoder.h"
#include "models/init.h"

namespace v2r {

HeadImpl::HeadImpl(const HeadSpec& spec, Rng& rng) : spec_(spec) {
  V2R_CHECK(spec.in_dim > 0 && spec.out_dim > 0, "head of {} inputs and {} outputs", spec.in_dim,
            spec.out_dim);
  mean_ = register_buffer("mean", torch::zeros({spec.in_dim}));
  deviation_ = register_buffer("deviation", torch::ones({spec.in_dim}));
  torch::nn::Sequential layers;
  int64_t width = spec.in_dim;
  for (const int64_t hidden : spec.hidden) {
    if (hidden < 1) ThrowUser("a head's hidden layer must have 1 unit or more, has {}", hidden);
    const bool batch = spec.norm == "batch";
    layers->push_back(torch::nn::Linear(torch::nn::LinearOptions(width, hidden).bias(!batch)));
    if (batch) layers->push_back(torch::nn::BatchNorm1d(hidden));
    layers->push_back(torch::nn::ReLU());
    width = hidden;
  }
  layers->push_back(torch::nn::Linear(width, spec.out_dim));
  layers_ = register_module("layers", layers);
  InitWeights(*this, rng, ConvInit::kUniform);
}

torch::Tensor HeadImpl::forward(torch::Tensor z) {
  V2R_CHECK_EQ(z.size(-1), spec_.in_dim);
  z = (z - mean_) / deviation_;
  if (spec_.norm == "none" || z.dim() == 2) return layers_->forward(z);
  std::vector<int64_t> shape = z.sizes().vec();  // BatchNorm takes rows alone
  shape.back() = spec_.out_dim;
  return layers_->forward(z.reshape({-1, spec_.in_dim})).view(shape);
}

void HeadImpl::SetStandardisation(const torch::Tensor& z) {
  const torch::NoGradGuard no_grad;
  V2R_CHECK(z.dim() == 2 && z.size(0) >= 2 && z.size(1) == spec_.in_dim, "z [{}]",
            fmt::join(z.sizes(), ", "));
  const auto values = z.to(torch::kDouble);
  const auto deviation = values.std(0, /*unbiased=*/false);
  mean_.copy_(values.mean(0));
  // A dimension that never moves carries nothing: it must not be blown up.
  deviation_.copy_(torch::where(deviation > 1e-6, deviation, torch::ones_like(deviation)));
}

}  // namespace v2r
