#include "learn/amp.h"

#include <ATen/autocast_mode.h>

#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {
namespace {

constexpr double kLeastScale = 1e-4;

torch::ScalarType ShortType(const std::string& precision) {
  if (precision == "bf16") return torch::kBFloat16;
  V2R_CHECK(precision == "fp16", "precision {}", precision);
  return torch::kFloat16;
}

}  // namespace

Autocast::Autocast(const std::string& precision, const torch::Device& device)
    : active_(precision != "fp32"), device_(device.type()) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  was_dtype_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_dtype(device_, ShortType(precision));
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, was_dtype_);
}

GradScaler::GradScaler(const GradScalerOptions& options, const torch::Device& device)
    : options_(options) {
  const auto floats = torch::TensorOptions(torch::kFloat).device(device);
  scale_ = torch::full({1}, options_.init_scale, floats);
  growth_tracker_ = torch::zeros({1}, floats.dtype(torch::kInt32));
  found_inf_ = torch::zeros({1}, floats);
}

bool GradScaler::Unscale(const std::vector<torch::Tensor>& parameters) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> grads;
  for (const auto& parameter : parameters) {
    if (parameter.grad().defined()) grads.push_back(parameter.grad());
  }
  found_inf_.zero_();
  // In double, as torch does it: the reciprocal of a tiny scale may not be a float's.
  const auto inverse = scale_.to(torch::kDouble).reciprocal().to(torch::kFloat);
  if (!grads.empty()) {
    at::_amp_foreach_non_finite_check_and_unscale_(grads, found_inf_, inverse);
  }
  return found_inf_.item<float>() == 0;
}

void GradScaler::Update() {
  const torch::NoGradGuard no_grad;
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf_, options_.growth_factor,
                         options_.backoff_factor, options_.growth_interval);
  if (scale() >= kLeastScale) return;
  ThrowUser(
      "pretrain.precision=fp16: the gradients stay infinite or NaN although the loss scale fell to "
      "{:.3g}. Use precision=bf16 or fp32, or a smaller pretrain.learning_rate",
      scale());
}

StateDict GradScaler::Save() const {
  return {{"scale", ToBlob(scale_)}, {"growth_tracker", ToBlob(growth_tracker_)}};
}

void GradScaler::Load(const StateDict& state, const std::string& what) {
  const auto load = [&](torch::Tensor& into, const char* name) {
    const torch::Tensor value = ToTensor(Require(state, name, what));
    if (value.numel() != 1) ThrowUser("{}: {} should be one value", what, name);
    into.copy_(value.view({1}));
  };
  load(scale_, "scale");
  load(growth_tracker_, "growth_tracker");
}

}  // namespace v2r
