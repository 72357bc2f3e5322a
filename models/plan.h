// InferencePlan: a network's forward pass as a short list of fused operations, for inference only.
// BatchNorm is folded into the convolutions, ReLU and the residual sum run inside them where the
// CPU library can, activations are channels-last.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

namespace v2r {

class InferencePlan {
 public:
  // A picture-shaped [B,channels,height,width] or flat (height = width = 0) [B,channels] result of
  // an operation.
  struct Value {
    int slot = -1;
    int64_t channels = 0, height = 0, width = 0;
  };

  // dtype: of everything but the linear layers, kFloat or kBFloat16. `batch`: the number of rows
  // Run() will mostly see.
  InferencePlan(int64_t channels, int64_t size, torch::Device device, torch::ScalarType dtype,
                int64_t batch);

  // ---- building, in order
  Value input() const { return input_; }
  // conv, then bn (null: none), then + add (not used by anything else), then ReLU.
  Value Conv(const Value& x, const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& bn,
             bool relu);
  Value ConvAdd(const Value& x, const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& bn,
                const Value& add, bool relu);
  Value MaxPool(const Value& x, int64_t kernel, int64_t stride, int64_t padding);
  Value GlobalAveragePool(const Value& x);  // -> flat
  Value Flatten(const Value& x);            // -> flat, in the order [C,H,W]
  // Linear layer on a flat or picture-shaped value (then as if flattened in the order [C,H,W]),
  // float32.
  Value Linear(const Value& x, const torch::nn::Linear& linear);
  // A part that knows no folding, on the plan's device: x as it is -> float32 [B,channels], flat.
  Value Call(const Value& x, int64_t channels,
             std::function<torch::Tensor(const torch::Tensor&)> run);
  // The same, of a picture: x -> [B,channels,height,width] of the plan's type.
  Value CallPicture(const Value& x, int64_t channels, int64_t height, int64_t width,
                    std::function<torch::Tensor(const torch::Tensor&)> run);
  void Finish(const Value& output);

  // ---- running
  torch::Device device() const { return device_; }
  torch::ScalarType dtype() const { return dtype_; }
  // x [B,C,size,size] of the plan's device and dtype, channels-last -> float32 [B,D].
  torch::Tensor Run(const torch::Tensor& x) const;

 private:
  struct Step {
    std::vector<int> inputs;
    int output = 0;
    std::function<torch::Tensor(const std::vector<torch::Tensor>&)> run;  // of the inputs
    std::vector<int> dead;  // slots nobody reads afterwards
  };
  struct Folded {
    torch::Tensor weight, bias;
  };
  Folded Fold(const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& bn) const;
  Value AddConv(const Value& x, const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& bn,
                const Value* add, bool relu);
  Value NewValue(int64_t channels, int64_t height, int64_t width);

  torch::Device device_;
  torch::ScalarType dtype_;
  int64_t batch_;
  bool fused_;
  int slots_ = 0;
  Value input_, output_;
  std::vector<Step> steps_;
};

}  // namespace v2r
