#include "models/resnet.h"

#include "core/error.h"
#include "models/convnet.h"
#include "models/plan.h"

namespace v2r {
namespace {

torch::nn::Conv2d Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace

ResBlockImpl::ResBlockImpl(int64_t in, int64_t planes, int64_t stride, bool bottleneck) {
  struct Part {
    int64_t out, kernel, stride;
  };
  const std::vector<Part> parts =
      bottleneck ? std::vector<Part>{{planes, 1, 1}, {planes, 3, stride}, {planes * 4, 1, 1}}
                 : std::vector<Part>{{planes, 3, stride}, {planes, 3, 1}};
  int64_t channels = in;
  for (const Part& part : parts) {
    const std::string number = std::to_string(convs_.size() + 1);
    convs_.push_back(register_module("conv" + number,
                                     Convolution(channels, part.out, part.kernel, part.stride)));
    norms_.push_back(register_module("bn" + number, SplitBatchNorm2d(part.out)));
    channels = part.out;
  }
  if (stride != 1 || in != channels) {
    downsample_conv_ = Convolution(in, channels, 1, stride);
    downsample_norm_ = SplitBatchNorm2d(channels);
    register_module("downsample", torch::nn::Sequential(downsample_conv_, downsample_norm_));
  }
}

torch::Tensor ResBlockImpl::forward(torch::Tensor x) {
  const auto identity =
      downsample_conv_.is_empty() ? x : downsample_norm_->forward(downsample_conv_->forward(x));
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = norms_[i]->forward(convs_[i]->forward(x));
    if (i + 1 < convs_.size()) x = torch::relu(x);
  }
  return torch::relu(x + identity);
}

ResNetImpl::ResNetImpl(const EncoderSpec& spec, const std::array<int64_t, 4>& blocks,
                       bool bottleneck)
    : EncoderNetImpl(spec) {
  int64_t channels = ScaledChannels(64, spec.width);
  conv1_ = register_module("conv1", Convolution(3 * spec.frame_stack, channels, 7, 2));
  bn1_ = register_module("bn1", SplitBatchNorm2d(channels));
  int64_t size = (spec.input_size + 1) / 2;  // 7x7/2, padding 3
  size = (size + 1) / 2;                     // 3x3/2, padding 1
  for (int i = 0; i < 4; ++i) {
    torch::nn::ModuleList list;
    for (int64_t b = 0; b < blocks[i]; ++b) {
      const int64_t stride = b == 0 && i > 0 ? 2 : 1;
      ResBlock block(channels, ScaledChannels(int64_t{64} << i, spec.width), stride, bottleneck);
      channels = block->out_channels();
      list->push_back(block);
      layers_[i].push_back(block);
    }
    register_module("layer" + std::to_string(i + 1), list);
    if (i > 0) size = (size + 1) / 2;
  }
  output_dim_ = spec.pooling == "flatten" ? channels * size * size : channels;
  if (spec.embedding_dim > 0) {
    fc_ = register_module("fc", torch::nn::Linear(output_dim_, spec.embedding_dim));
    output_dim_ = spec.embedding_dim;
  }
}

torch::Tensor ResNetImpl::Stem(torch::Tensor x) {
  return torch::max_pool2d(torch::relu(bn1_->forward(conv1_->forward(x))), {3, 3}, {2, 2}, {1, 1});
}

torch::Tensor ResNetImpl::Layer(int index, torch::Tensor x) {
  for (auto& block : layers_.at(index)) x = block->forward(x);
  return x;
}

torch::Tensor ResNetImpl::Pool(torch::Tensor x) const {
  return spec_.pooling == "flatten" ? x.flatten(1) : x.mean({2, 3});
}

torch::Tensor ResNetImpl::forward(torch::Tensor x) {
  x = Stem(x);
  for (int i = 0; i < 4; ++i) x = Layer(i, x);
  x = Pool(x);
  return fc_.is_empty() ? x : fc_->forward(x);
}

void ResNetImpl::Trace(InferencePlan& plan) const {
  auto x = plan.MaxPool(plan.Conv(plan.input(), conv1_, AsBatchNorm(bn1_), true), 3, 2, 1);
  for (const auto& layer : layers_) {
    for (const auto& block : layer) {
      auto y = x;
      const size_t last = block->convs_.size() - 1;
      for (size_t i = 0; i < last; ++i)
        y = plan.Conv(y, block->convs_[i], AsBatchNorm(block->norms_[i]), true);
      if (!block->downsample_conv_.is_empty()) {
        x = plan.Conv(x, block->downsample_conv_, AsBatchNorm(block->downsample_norm_), false);
      }
      x = plan.ConvAdd(y, block->convs_[last], AsBatchNorm(block->norms_[last]), x, true);
    }
  }
  if (spec_.pooling == "avg") x = plan.GlobalAveragePool(x);
  if (!fc_.is_empty()) {
    x = plan.Linear(x, fc_);
  } else if (spec_.pooling == "flatten") {
    x = plan.Flatten(x);
  }
  plan.Finish(x);
}

EncoderNet MakeResNet(const EncoderSpec& spec) {
  if (spec.arch == "resnet18") {
    return std::make_shared<ResNetImpl>(spec, std::array<int64_t, 4>{2, 2, 2, 2}, false);
  }
  V2R_CHECK(spec.arch == "resnet34" || spec.arch == "resnet50", "arch {}", spec.arch);
  return std::make_shared<ResNetImpl>(spec, std::array<int64_t, 4>{3, 4, 6, 3},
                                      spec.arch == "resnet50");
}

}  // namespace v2r
