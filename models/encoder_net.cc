// Making and initialising trainable encoder networks.

#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"
#include "models/convnet.h"
#include "models/encoder.h"
#include "models/init.h"
#include "models/pixels.h"
#include "models/resnet.h"

namespace v2r {
namespace {

bool EndsWith(const std::string& text, const char* end) { return text.ends_with(end); }

}  // namespace

void UniformInit(torch::nn::Module& module, Rng& rng) {
  const torch::NoGradGuard no_grad;
  const Rng base(rng.NextU64());
  std::map<std::string, double> bounds;  // of a layer, from its weight
  for (const auto& item : module.named_parameters()) {
    if (EndsWith(item.key(), "weight") && item.value().dim() > 1) {
      const auto fan_in = item.value().numel() / item.value().size(0);
      bounds[item.key().substr(0, item.key().size() - 6)] =
          1.0 / std::sqrt(static_cast<double>(fan_in));
    }
  }
  for (const auto& item : module.named_parameters()) {
    const auto layer = item.key().substr(0, item.key().rfind('.') + 1);
    const auto bound = bounds.find(layer);
    if (bound == bounds.end()) continue;
    Rng stream = base.Fork(item.key());
    item.value().copy_((RandomUniform(stream, item.value().sizes()) * 2 - 1) * bound->second);
  }
}

void KaimingConvInit(torch::nn::Module& module, Rng& rng) {
  const torch::NoGradGuard no_grad;
  const Rng base(rng.NextU64());
  for (const auto& item : module.named_parameters()) {
    const auto& weight = item.value();
    if (weight.dim() != 4) continue;
    const auto fan_out = weight.size(0) * weight.size(2) * weight.size(3);
    Rng stream = base.Fork(item.key());
    weight.copy_(RandomNormal(stream, weight.sizes()) *
                 std::sqrt(2.0 / static_cast<double>(fan_out)));
  }
}

EncoderNet MakeEncoderNet(const EncoderSpec& spec, Rng& rng) {
  CheckSpec(spec);
  EncoderNet net;
  if (spec.arch == "conv4") {
    net = MakeConv4(spec);
  } else if (spec.arch == "nature") {
    net = MakeNature(spec);
  } else if (spec.arch == "pixels") {
    net = MakePixels(spec);
  } else {
    net = MakeResNet(spec);
  }
  UniformInit(*net, rng);
  if (spec.arch.starts_with("resnet")) KaimingConvInit(*net, rng);
  return net;
}

void DataDependentInit(EncoderNetImpl& net, const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  auto linear = net.last_linear();
  if (linear.is_empty()) ThrowUser("data-dependent initialisation needs encoder.embedding_dim > 0");
  V2R_CHECK_GE(x.size(0), 2);
  const auto y = net.forward(x).to(torch::kDouble);  // [B,D]
  const auto mean = y.mean(0);
  const auto deviation = y.std(0, /*unbiased=*/false);
  const auto factor = torch::where(deviation > 1e-12, 1.0 / deviation, torch::ones_like(deviation));
  linear->weight.copy_(linear->weight.to(torch::kDouble) * factor.unsqueeze(1));
  linear->bias.copy_((linear->bias.to(torch::kDouble) - mean) * factor);
}

}  // namespace v2r
