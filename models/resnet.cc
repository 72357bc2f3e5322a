#include "models/resnet.h"

#include <limits>
#include <map>
#include <memory>

#include "core/error.h"
#include "models/convnet.h"

namespace v2r {
namespace {

struct Shape {
  std::array<int64_t, 4> blocks;
  bool bottleneck;
};
const std::map<std::string, Shape>& Shapes() {
  static const std::map<std::string, Shape> shapes = {{"resnet18", {{2, 2, 2, 2}, false}},
                                                      {"resnet34", {{3, 4, 6, 3}, false}},
                                                      {"resnet50", {{3, 4, 6, 3}, true}},
                                                      {"resnet101", {{3, 4, 23, 3}, true}}};
  return shapes;
}

torch::nn::Conv2d Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

int64_t Halved(int64_t size) { return (size + 1) / 2; }

ShortcutPool PoolOf(const EncoderSpec& spec) {
  if (spec.variant == "resnet_d") return ShortcutPool::kAverage;
  return spec.sk_ratio > 0 ? ShortcutPool::kSimclr : ShortcutPool::kNone;
}

// Three 3x3 convolutions in place of the 7x7 one.
bool HasDeepStem(const EncoderSpec& spec) {
  return spec.stem != "cifar" && PoolOf(spec) != ShortcutPool::kNone;
}

}  // namespace

torch::Tensor PoolShortcut(const torch::Tensor& x, ShortcutPool pool, int64_t stride) {
  if (pool == ShortcutPool::kNone) return x;
  if (pool == ShortcutPool::kAverage) {
    if (stride == 1) return x;
    return torch::avg_pool2d(x, {2, 2}, {stride, stride}, {0, 0}, /*ceil_mode=*/true,
                             /*count_include_pad=*/false);
  }
  const auto y =
      torch::avg_pool2d(torch::constant_pad_nd(x, {0, 1, 0, 1}), {2, 2}, {stride, stride});
  if (stride != 1) return y;
  auto rows = torch::ones({x.size(2), 1}, x.options()),
       cols = torch::ones({1, x.size(3)}, x.options());
  rows[-1].fill_(2);
  cols.select(1, -1).fill_(2);
  return y * (rows * cols);
}

torch::Tensor MaxPoolSame(const torch::Tensor& x) {
  const auto before = [](int64_t size) { return size % 2; };
  const auto padded = torch::constant_pad_nd(x, {before(x.size(3)), 1, before(x.size(2)), 1},
                                             -std::numeric_limits<double>::infinity());
  return torch::max_pool2d(padded, {3, 3}, {2, 2});
}

ResBlockImpl::ResBlockImpl(const EncoderSpec& spec, int64_t in, int64_t planes, int64_t stride,
                           bool bottleneck, bool first)
    : stride_(stride) {
  struct Part {
    int64_t out, kernel, stride;
  };
  const std::vector<Part> parts =
      bottleneck ? std::vector<Part>{{planes, 1, 1}, {planes, 3, stride}, {planes * 4, 1, 1}}
                 : std::vector<Part>{{planes, 3, stride}, {planes, 3, 1}};
  int64_t channels = in;
  for (const Part& part : parts) {
    const std::string number = std::to_string(convs_.size() + 1);
    if (number == "2" && bottleneck && spec.sk_ratio > 0) {
      selective_ =
          register_module("conv2", SelectiveKernel(channels, planes, stride, spec.sk_ratio));
      convs_.emplace_back(nullptr);
      norms_.emplace_back(nullptr);
    } else {
      convs_.push_back(register_module("conv" + number,
                                       Convolution(channels, part.out, part.kernel, part.stride)));
      norms_.push_back(register_module("bn" + number, SplitBatchNorm2d(part.out)));
    }
    channels = part.out;
  }
  const bool simclr = spec.variant == "simclr";
  if (stride == 1 && in == channels && !(simclr && first)) return;
  pool_ = PoolOf(spec);
  const bool pooled = pool_ != ShortcutPool::kNone;
  downsample_conv_ = Convolution(in, channels, 1, pooled ? 1 : stride);
  downsample_norm_ = SplitBatchNorm2d(channels);
  torch::nn::Sequential downsample;
  if (pooled) downsample->push_back(torch::nn::Identity());  // where timm counts the pooling
  downsample->push_back(downsample_conv_);
  downsample->push_back(downsample_norm_);
  register_module("downsample", downsample);
}

torch::Tensor ResBlockImpl::forward(torch::Tensor x) {
  const auto identity =
      downsample_conv_.is_empty()
          ? x
          : downsample_norm_->forward(downsample_conv_->forward(PoolShortcut(x, pool_, stride_)));
  for (size_t i = 0; i < convs_.size(); ++i) {
    if (convs_[i].is_empty()) {
      x = selective_->forward(x);
      continue;
    }
    x = norms_[i]->forward(convs_[i]->forward(x));
    if (i + 1 < convs_.size()) x = torch::relu(x);
  }
  return torch::relu(x + identity);
}

InferencePlan::Value ResBlockImpl::Trace(InferencePlan& plan, InferencePlan::Value x) const {
  auto y = x;
  const size_t last = convs_.size() - 1;
  for (size_t i = 0; i < last; ++i) {
    y = convs_[i].is_empty() ? selective_->Trace(plan, y)
                             : plan.Conv(y, convs_[i], AsBatchNorm(norms_[i]), true);
  }
  if (!downsample_conv_.is_empty()) {
    const bool pools =
        pool_ == ShortcutPool::kSimclr || (pool_ != ShortcutPool::kNone && stride_ > 1);
    if (pools) {
      const auto size = [&](int64_t n) { return stride_ == 1 ? n : Halved(n); };
      x = plan.CallPicture(x, x.channels, size(x.height), size(x.width),
                           [pool = pool_, stride = stride_](const torch::Tensor& in) {
                             return PoolShortcut(in, pool, stride);
                           });
    }
    x = plan.Conv(x, downsample_conv_, AsBatchNorm(downsample_norm_), false);
  }
  return plan.ConvAdd(y, convs_[last], AsBatchNorm(norms_[last]), x, true);
}

ResNetImpl::ResNetImpl(const EncoderSpec& spec, const std::array<int64_t, 4>& blocks,
                       bool bottleneck)
    : EncoderNetImpl(spec) {
  int64_t channels = ScaledChannels(64, spec.width);
  MakeStem(channels);
  int64_t size = spec.input_size;
  if (spec.stem != "cifar") size = Halved(Halved(size));
  for (int i = 0; i < 4; ++i) {
    torch::nn::ModuleList list;
    for (int64_t b = 0; b < blocks[i]; ++b) {
      const int64_t stride = b == 0 && i > 0 ? 2 : 1;
      ResBlock block(spec, channels, ScaledChannels(int64_t{64} << i, spec.width), stride,
                     bottleneck, b == 0);
      channels = block->out_channels();
      list->push_back(block);
      layers_[i].push_back(block);
    }
    register_module("layer" + std::to_string(i + 1), list);
    if (i > 0) size = Halved(size);
  }
  output_dim_ = spec.pooling == "flatten" ? channels * size * size : channels;
  if (spec.embedding_dim > 0) {
    fc_ = register_module("fc", torch::nn::Linear(output_dim_, spec.embedding_dim));
    output_dim_ = spec.embedding_dim;
  }
}

void ResNetImpl::MakeStem(int64_t channels) {
  const int64_t in = 3 * spec_.frame_stack;
  if (!HasDeepStem(spec_)) {
    stem_convs_ = {spec_.stem == "cifar" ? Convolution(in, channels, 3, 1)
                                         : Convolution(in, channels, 7, 2)};
    stem_norms_ = {SplitBatchNorm2d(channels)};
    register_module("conv1", stem_convs_[0]);
  } else {
    const int64_t half = channels / 2;
    stem_convs_ = {Convolution(in, half, 3, 2), Convolution(half, half, 3, 1),
                   Convolution(half, channels, 3, 1)};
    stem_norms_ = {SplitBatchNorm2d(half), SplitBatchNorm2d(half), SplitBatchNorm2d(channels)};
    register_module("conv1", torch::nn::Sequential(
                                 stem_convs_[0], stem_norms_[0], torch::nn::ReLU(), stem_convs_[1],
                                 stem_norms_[1], torch::nn::ReLU(), stem_convs_[2]));
  }
  register_module("bn1", stem_norms_.back());
}

torch::Tensor ResNetImpl::Stem(torch::Tensor x) {
  for (size_t i = 0; i < stem_convs_.size(); ++i) {
    x = torch::relu(stem_norms_[i]->forward(stem_convs_[i]->forward(x)));
  }
  if (spec_.stem == "cifar") return x;
  return spec_.variant == "simclr" ? MaxPoolSame(x) : torch::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
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
  auto x = plan.input();
  for (size_t i = 0; i < stem_convs_.size(); ++i) {
    x = plan.Conv(x, stem_convs_[i], AsBatchNorm(stem_norms_[i]), true);
  }
  if (spec_.variant == "simclr" && spec_.stem != "cifar") {
    x = plan.CallPicture(x, x.channels, Halved(x.height), Halved(x.width), MaxPoolSame);
  } else if (spec_.stem != "cifar") {
    x = plan.MaxPool(x, 3, 2, 1);
  }
  for (const auto& layer : layers_) {
    for (const auto& block : layer) x = block->Trace(plan, x);
  }
  if (spec_.pooling == "avg") x = plan.GlobalAveragePool(x);
  if (!fc_.is_empty()) {
    x = plan.Linear(x, fc_);
  } else if (spec_.pooling == "flatten") {
    x = plan.Flatten(x);
  }
  plan.Finish(x);
}

void ResNetImpl::ZeroLastGamma() {
  const torch::NoGradGuard no_grad;
  for (const auto& layer : layers_) {
    for (const auto& block : layer) block->norms_.back()->weight.zero_();
  }
}

bool IsResNet(const std::string& arch) { return Shapes().contains(arch); }

EncoderNet MakeResNet(const EncoderSpec& spec) {
  V2R_CHECK(IsResNet(spec.arch), "arch {}", spec.arch);
  const Shape& shape = Shapes().at(spec.arch);
  return std::make_shared<ResNetImpl>(spec, shape.blocks, shape.bottleneck);
}

}  // namespace v2r
