// Small convolutional encoders.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "models/encoder.h"
#include "models/split_batchnorm.h"

namespace v2r {

// A row of convolutions, each with BatchNorm (norm=batch) and ReLU after it, then flatten or global
// average, then `fc`. Names: conv1, bn1, conv2, ..., fc.
class ConvNetImpl : public EncoderNetImpl {
 public:
  struct Layer {
    int64_t channels, kernel, stride, padding;
  };
  ConvNetImpl(const EncoderSpec& spec, const std::vector<Layer>& layers);
  torch::Tensor forward(torch::Tensor x) override;
  torch::nn::Linear last_linear() override { return fc_; }
  int64_t output_dim() const override { return output_dim_; }
  void Trace(InferencePlan& plan) const override;

 private:
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<SplitBatchNorm2d> norms_;  // one a convolution; null: none
  torch::nn::Linear fc_{nullptr};
  int64_t output_dim_ = 0;
};

// "conv4": four 3x3 convolutions of stride 2, channels 16-32-64-64 x width.
EncoderNet MakeConv4(const EncoderSpec& spec);
// "nature": 8x8/4, 4x4/2, 3x3/1 without padding, channels 32-64-64 x width (Mnih et al. 2015).
EncoderNet MakeNature(const EncoderSpec& spec);
// max(4, round(channels * width))
int64_t ScaledChannels(int64_t channels, double width);

}  // namespace v2r
