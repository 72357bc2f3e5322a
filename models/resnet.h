// ResNet-18/34/50/101 with torchvision's layer names and numerics (torchvision/models/resnet.py; He
// et al. 2016, the stride of a bottleneck on its 3x3 convolution), and two variants: ResNet-D (He
// et al. 2019; names and numerics of timm's resnet50d) and SimCLR's (google-research/simclr
// tf2/resnet.py) with selective kernels.
#pragma once

#include <torch/torch.h>

#include <array>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/plan.h"
#include "models/selective_kernel.h"
#include "models/split_batchnorm.h"

namespace v2r {

// What a shortcut does before its 1x1 convolution. kAverage: 2x2 mean of that stride, windows over
// the edge divided by what is inside. kSimclr: TensorFlow's after a row and column of zeros at the
// end (stride 2: the zeros count), or SAME (stride 1: they do not).
enum class ShortcutPool { kNone, kAverage, kSimclr };
// x [B,C,H,W] -> [B,C,ceil(H/stride),ceil(W/stride)]; kNone: x.
torch::Tensor PoolShortcut(const torch::Tensor& x, ShortcutPool pool, int64_t stride);
// TensorFlow's 3x3/2 SAME max pool: an even size is padded at its end only.
torch::Tensor MaxPoolSame(const torch::Tensor& x);

// Basic block (two 3x3) or bottleneck (1x1, 3x3, 1x1 with four times the channels).
class ResBlockImpl : public torch::nn::Module {
 public:
  // `first` of its stage: SimCLR's code projects the shortcut there even where nothing changes.
  ResBlockImpl(const EncoderSpec& spec, int64_t in, int64_t planes, int64_t stride, bool bottleneck,
               bool first);
  torch::Tensor forward(torch::Tensor x);
  int64_t out_channels() const { return convs_.back()->options.out_channels(); }
  InferencePlan::Value Trace(InferencePlan& plan, InferencePlan::Value x) const;

  std::vector<torch::nn::Conv2d> convs_;  // conv1, conv2(, conv3); conv2 null: selective kernels
  std::vector<SplitBatchNorm2d> norms_;   // bn1, bn2(, bn3)
  SelectiveKernel selective_{nullptr};    // conv2
  torch::nn::Conv2d downsample_conv_{nullptr};  // downsample.0, or .1 behind pooling
  SplitBatchNorm2d downsample_norm_{nullptr};   // the one after it
  ShortcutPool pool_ = ShortcutPool::kNone;
  int64_t stride_ = 1;
};
TORCH_MODULE(ResBlock);

class ResNetImpl : public EncoderNetImpl {
 public:
  ResNetImpl(const EncoderSpec& spec, const std::array<int64_t, 4>& blocks, bool bottleneck);
  torch::Tensor forward(torch::Tensor x) override;
  // The parts of forward: stem (conv1, bn1, ReLU, 3x3/2 max pool) -> [B,64w,H/4,W/4], with
  // stem=cifar [B,64w,H,W]; layer 0..3; pooled features [B,F].
  torch::Tensor Stem(torch::Tensor x);
  torch::Tensor Layer(int index, torch::Tensor x);
  torch::Tensor Pool(torch::Tensor x) const;
  torch::nn::Linear last_linear() override { return fc_; }
  int64_t output_dim() const override { return output_dim_; }
  void Trace(InferencePlan& plan) const override;
  // SimCLR's fresh weights: gamma of each block's last BatchNorm 0.
  void ZeroLastGamma();

 private:
  void MakeStem(int64_t channels);

  std::vector<torch::nn::Conv2d> stem_convs_;  // conv1, or conv1.0, conv1.3, conv1.6
  std::vector<SplitBatchNorm2d> stem_norms_;   // bn1, or conv1.1, conv1.4, bn1
  std::array<std::vector<ResBlock>, 4> layers_;
  torch::nn::Linear fc_{nullptr};
  int64_t output_dim_ = 0;
};

bool IsResNet(const std::string& arch);
EncoderNet MakeResNet(const EncoderSpec& spec);

}  // namespace v2r
