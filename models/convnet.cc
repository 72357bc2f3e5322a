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
    const std::string number = std::to_string(convs_.size() + 1);
    const bool batch = spec.norm == "batch";
    auto options = torch::nn::Conv2dOptions(channels, out, layer.kernel).stride(layer.stride);
    convs_.push_back(register_module(
        "conv" + number, torch::nn::Conv2d(options.padding(layer.padding).bias(!batch))));
    norms_.emplace_back(nullptr);
    if (batch) norms_.back() = register_module("bn" + number, SplitBatchNorm2d(out));
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
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = convs_[i]->forward(x);
    if (!norms_[i].is_empty()) x = norms_[i]->forward(x);
    x = torch::relu(x);
  }
  x = spec_.pooling == "flatten" ? x.flatten(1) : x.mean({2, 3});
  return fc_.is_empty() ? x : fc_->forward(x);
}

void ConvNetImpl::Trace(InferencePlan& plan) const {
  auto x = plan.input();
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = plan.Conv(x, convs_[i], norms_[i].is_empty() ? nullptr : AsBatchNorm(norms_[i]), true);
  }
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
