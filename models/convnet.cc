#include "models/convnet.h"

#include <algorithm>
#include <cmath>

#include "models/plan.h"

namespace v2r {

int64_t ScaledChannels(int64_t channels, double width) {
  return std::max<int64_t>(4, std::lround(static_cast<double>(channels) * width));
}

ConvNetImpl::ConvNetImpl(const EncoderSpec& spec, const std::vector<Layer>& layers)
    : EncoderNetImpl(spec) {
  int64_t channels = 3 * spec.frame_stack, size = spec.input_size;
  for (const Layer& layer : layers) {
    const int64_t out = ScaledChannels(layer.channels, spec.width);
    auto options = torch::nn::Conv2dOptions(channels, out, layer.kernel).stride(layer.stride);
    convs_.push_back(register_module("conv" + std::to_string(convs_.size() + 1),
                                     torch::nn::Conv2d(options.padding(layer.padding))));
    channels = out;
    size = (size + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  }
  output_dim_ = spec.pooling == "flatten" ? channels * size * size : channels;
  if (spec.embedding_dim > 0) {
    fc_ = register_module("fc", torch::nn::Linear(output_dim_, spec.embedding_dim));
    output_dim_ = spec.embedding_dim;
  }
}

torch::Tensor ConvNetImpl::forward(torch::Tensor x) {
  for (auto& conv : convs_) x = torch::relu(conv->forward(x));
  x = spec_.pooling == "flatten" ? x.flatten(1) : x.mean({2, 3});
  return fc_.is_empty() ? x : fc_->forward(x);
}

void ConvNetImpl::Trace(InferencePlan& plan) const {
  auto x = plan.input();
  for (const auto& conv : convs_) x = plan.Conv(x, conv, nullptr, true);
  if (spec_.pooling == "avg") x = plan.GlobalAveragePool(x);
  if (!fc_.is_empty()) {
    x = plan.Linear(x, fc_);
  } else if (spec_.pooling == "flatten") {
    x = plan.Flatten(x);
  }
  plan.Finish(x);
}

EncoderNet MakeConv4(const EncoderSpec& spec) {
  return std::make_shared<ConvNetImpl>(
      spec,
      std::vector<ConvNetImpl::Layer>{{16, 3, 2, 1}, {32, 3, 2, 1}, {64, 3, 2, 1}, {64, 3, 2, 1}});
}

EncoderNet MakeNature(const EncoderSpec& spec) {
  return std::make_shared<ConvNetImpl>(
      spec, std::vector<ConvNetImpl::Layer>{{32, 8, 4, 0}, {64, 4, 2, 0}, {64, 3, 1, 0}});
}

}  // namespace v2r
