// Making and initialising trainable encoder networks.

#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"
#include "models/convnet.h"
#include "models/encoder.h"
#include "models/init.h"
#include "models/pixels.h"
#include "models/resnet.h"
#include "models/vit.h"

namespace v2r {

namespace {

// Standard normal, cut at +-2 and scaled back to unit variance.
torch::Tensor TruncatedNormal(Rng& rng, at::IntArrayRef shape) {
  constexpr double kTail = 0.022750131948179195;      // of a normal beyond two deviations
  constexpr double kDeviation = 0.87962566103423978;  // of a normal within two deviations
  const auto share = RandomUniform(rng, shape).to(torch::kDouble) * (1 - 2 * kTail) + kTail;
  return (torch::special_ndtri(share) / kDeviation).to(torch::kFloat);
}

}  // namespace

void InitWeights(torch::nn::Module& module, Rng& rng, ConvInit conv_init) {
  const torch::NoGradGuard no_grad;
  const Rng base(rng.NextU64());
  std::map<std::string, double> bounds;  // of a layer, from its weight
  for (const auto& item : module.named_parameters()) {
    if (item.key().ends_with("weight") && item.value().dim() > 1) {
      const auto fan_in = item.value().numel() / item.value().size(0);
      bounds[item.key().substr(0, item.key().size() - 6)] =
          1.0 / std::sqrt(static_cast<double>(fan_in));
    }
  }
  for (const auto& item : module.named_parameters()) {
    const auto& parameter = item.value();
    Rng stream = base.Fork(item.key());
    if (conv_init == ConvInit::kKaimingFanOut && parameter.dim() == 4) {
      const auto fan_out = parameter.size(0) * parameter.size(2) * parameter.size(3);
      parameter.copy_(RandomNormal(stream, parameter.sizes()) *
                      std::sqrt(2.0 / static_cast<double>(fan_out)));
      continue;
    }
    if (conv_init == ConvInit::kTruncatedFanIn && parameter.dim() == 4) {
      const auto fan_in = static_cast<double>(parameter.numel() / parameter.size(0));
      parameter.copy_(TruncatedNormal(stream, parameter.sizes()) / std::sqrt(fan_in));
      continue;
    }
    const auto bound = bounds.find(item.key().substr(0, item.key().rfind('.') + 1));
    if (bound == bounds.end()) continue;
    parameter.copy_((RandomUniform(stream, parameter.sizes()) * 2 - 1) * bound->second);
  }
}

EncoderNet BlankEncoderNet(const EncoderSpec& spec) {
  CheckSpec(spec);
  if (spec.arch == "conv4") return MakeConv4(spec);
  if (spec.arch == "nature") return MakeNature(spec);
  if (spec.arch == "pixels") return MakePixels(spec);
  if (IsVit(spec.arch)) return MakeVit(spec);
  return MakeResNet(spec);
}

EncoderNet MakeEncoderNet(const EncoderSpec& spec, Rng& rng) {
  EncoderNet net = BlankEncoderNet(spec);
  if (const auto vit = std::dynamic_pointer_cast<VitImpl>(net)) {
    vit->Init(rng, VitInitOf(spec));
    return net;
  }
  const auto residual = std::dynamic_pointer_cast<ResNetImpl>(net);
  if (residual && spec.variant == "simclr") {
    InitWeights(*net, rng, ConvInit::kTruncatedFanIn);
    residual->ZeroLastGamma();
    return net;
  }
  InitWeights(*net, rng, residual ? ConvInit::kKaimingFanOut : ConvInit::kUniform);
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
