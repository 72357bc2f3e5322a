#include "models/plan.h"

#include <map>
#include <memory>
#include <utility>

#include "core/error.h"
#include "models/fused_conv.h"

namespace v2r {
namespace {

std::vector<int64_t> Square(const torch::ExpandingArray<2>& pair) {
  return {(*pair)[0], (*pair)[1]};
}

int64_t Shrunk(int64_t size, int64_t kernel, int64_t stride, int64_t padding) {
  return (size + 2 * padding - kernel) / stride + 1;
}

}  // namespace

InferencePlan::InferencePlan(int64_t channels, int64_t size, torch::Device device,
                             torch::ScalarType dtype, int64_t batch)
    : device_(device),
      dtype_(dtype),
      batch_(batch),
      fused_(device.is_cpu() && HasFusedConv(dtype)) {
  input_ = NewValue(channels, size, size);
}

InferencePlan::Value InferencePlan::NewValue(int64_t channels, int64_t height, int64_t width) {
  return {slots_++, channels, height, width};
}

// Computed in double: w' = w gamma / sqrt(var + eps), b' = (b - mean) gamma / sqrt(var + eps) +
// beta.
InferencePlan::Folded InferencePlan::Fold(const torch::nn::Conv2d& conv,
                                          const torch::nn::BatchNorm2d& bn) const {
  const torch::NoGradGuard no_grad;
  auto weight = conv->weight.detach().to(torch::kCPU, torch::kDouble);
  auto bias = conv->bias.defined() ? conv->bias.detach().to(torch::kCPU, torch::kDouble)
                                   : torch::zeros({weight.size(0)}, torch::kDouble);
  if (!bn.is_empty()) {
    const auto as_double = [](const torch::Tensor& t) {
      return t.detach().to(torch::kCPU, torch::kDouble);
    };
    const auto factor =
        as_double(bn->weight) / (as_double(bn->running_var) + bn->options.eps()).sqrt();
    weight = weight * factor.view({-1, 1, 1, 1});
    bias = (bias - as_double(bn->running_mean)) * factor + as_double(bn->bias);
  }
  return {weight.to(device_, dtype_).contiguous(torch::MemoryFormat::ChannelsLast),
          bias.to(device_, dtype_)};
}

InferencePlan::Value InferencePlan::AddConv(const Value& x, const torch::nn::Conv2d& conv,
                                            const torch::nn::BatchNorm2d& bn, const Value* add,
                                            bool relu) {
  const auto& options = conv->options;
  const auto* given_padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  V2R_CHECK(given_padding != nullptr && options.groups() == 1 && (*options.dilation())[0] == 1,
            "a convolution the plan does not know");
  const auto stride = Square(options.stride()), padding = Square(*given_padding);
  const auto kernel = Square(options.kernel_size());
  V2R_CHECK_EQ(options.in_channels(), x.channels);
  const Value out =
      NewValue(options.out_channels(), Shrunk(x.height, kernel[0], stride[0], padding[0]),
               Shrunk(x.width, kernel[1], stride[1], padding[1]));
  const Folded folded = Fold(conv, bn);
  Step step{.inputs = {x.slot}, .output = out.slot};
  if (add != nullptr) {
    V2R_CHECK(add->channels == out.channels && add->height == out.height,
              "shapes of a residual sum differ");
    step.inputs.push_back(add->slot);
  }
  if (fused_) {
    const auto fused = std::make_shared<FusedConv>(
        folded.weight, folded.bias, stride, padding,
        std::vector<int64_t>{batch_, x.channels, x.height, x.width}, relu);
    step.run = [fused](const std::vector<torch::Tensor>& in) {
      return in.size() == 2 ? fused->RunAdd(in[0], in[1]) : fused->Run(in[0]);
    };
  } else {
    step.run = [folded, stride, padding, relu](const std::vector<torch::Tensor>& in) {
      auto y = at::conv2d(in[0], folded.weight, folded.bias, stride, padding);
      if (in.size() == 2) y.add_(in[1]);
      return relu ? y.relu_() : y;
    };
  }
  steps_.push_back(std::move(step));
  return out;
}

InferencePlan::Value InferencePlan::Conv(const Value& x, const torch::nn::Conv2d& conv,
                                         const torch::nn::BatchNorm2d& bn, bool relu) {
  return AddConv(x, conv, bn, nullptr, relu);
}

InferencePlan::Value InferencePlan::ConvAdd(const Value& x, const torch::nn::Conv2d& conv,
                                            const torch::nn::BatchNorm2d& bn, const Value& add,
                                            bool relu) {
  return AddConv(x, conv, bn, &add, relu);
}

InferencePlan::Value InferencePlan::MaxPool(const Value& x, int64_t kernel, int64_t stride,
                                            int64_t padding) {
  const Value out = NewValue(x.channels, Shrunk(x.height, kernel, stride, padding),
                             Shrunk(x.width, kernel, stride, padding));
  steps_.push_back(
      {{x.slot},
       out.slot,
       [=](const std::vector<torch::Tensor>& in) {
         return at::max_pool2d(in[0], {kernel, kernel}, {stride, stride}, {padding, padding});
       },
       {}});
  return out;
}

InferencePlan::Value InferencePlan::GlobalAveragePool(const Value& x) {
  const Value out = NewValue(x.channels, 0, 0);
  steps_.push_back({{x.slot},
                    out.slot,
                    [](const std::vector<torch::Tensor>& in) {
                      return in[0].to(torch::kFloat).mean({2, 3});
                    },
                    {}});
  return out;
}

InferencePlan::Value InferencePlan::Flatten(const Value& x) {
  const Value out = NewValue(x.channels * x.height * x.width, 0, 0);
  steps_.push_back(
      {{x.slot},
       out.slot,
       [](const std::vector<torch::Tensor>& in) {
         return in[0].to(torch::kFloat).contiguous(torch::MemoryFormat::Contiguous).flatten(1);
       },
       {}});
  return out;
}

InferencePlan::Value InferencePlan::Linear(const Value& x, const torch::nn::Linear& linear) {
  const torch::NoGradGuard no_grad;
  auto weight = linear->weight.detach().to(device_, torch::kFloat).clone();
  const auto bias = linear->bias.detach().to(device_, torch::kFloat).clone();
  const bool picture = x.height > 0;
  V2R_CHECK_EQ(weight.size(1), picture ? x.channels * x.height * x.width : x.channels);
  if (picture) {
    // Columns in the order that channels-last activations have in memory, so that flattening copies
    // nothing.
    weight = weight.view({weight.size(0), x.channels, x.height, x.width})
                 .permute({0, 2, 3, 1})
                 .reshape({weight.size(0), -1})
                 .contiguous();
  }
  const Value out = NewValue(weight.size(0), 0, 0);
  steps_.push_back({{x.slot},
                    out.slot,
                    [=](const std::vector<torch::Tensor>& in) {
                      const auto flat =
                          picture ? in[0].permute({0, 2, 3, 1}).reshape({in[0].size(0), -1})
                                  : in[0];
                      return at::linear(flat.to(torch::kFloat), weight, bias);
                    },
                    {}});
  return out;
}

InferencePlan::Value InferencePlan::Call(const Value& x, int64_t channels,
                                         std::function<torch::Tensor(const torch::Tensor&)> run) {
  const Value out = NewValue(channels, 0, 0);
  steps_.push_back({{x.slot},
                    out.slot,
                    [run = std::move(run)](const std::vector<torch::Tensor>& in) {
                      return run(in[0]).to(torch::kFloat);
                    },
                    {}});
  return out;
}

InferencePlan::Value InferencePlan::CallPicture(
    const Value& x, int64_t channels, int64_t height, int64_t width,
    std::function<torch::Tensor(const torch::Tensor&)> run) {
  const Value out = NewValue(channels, height, width);
  steps_.push_back({{x.slot},
                    out.slot,
                    [run = std::move(run), dtype = dtype_](const std::vector<torch::Tensor>& in) {
                      return run(in[0]).to(dtype).contiguous(torch::MemoryFormat::ChannelsLast);
                    },
                    {}});
  return out;
}

void InferencePlan::Finish(const Value& output) {
  V2R_CHECK(output.height == 0, "a plan must end in a flat value");
  output_ = output;
  std::map<int, size_t> last;
  for (size_t i = 0; i < steps_.size(); ++i) {
    for (const int slot : steps_[i].inputs) last[slot] = i;
  }
  for (const auto& [slot, step] : last) steps_[step].dead.push_back(slot);
  // A residual sum is made in place: nobody may read its first operand later.
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].inputs.size() == 2) V2R_CHECK_EQ(last[steps_[i].inputs[1]], i);
  }
}

torch::Tensor InferencePlan::Run(const torch::Tensor& x) const {
  const torch::NoGradGuard no_grad;
  V2R_CHECK(output_.slot >= 0, "the plan was not finished");
  V2R_CHECK(x.dim() == 4 && x.size(1) == input_.channels && x.size(2) == input_.height &&
                x.size(3) == input_.width && x.scalar_type() == dtype_,
            "input [{}] {}", fmt::join(x.sizes(), ", "), torch::toString(x.scalar_type()));
  std::vector<torch::Tensor> slots(static_cast<size_t>(slots_));
  slots[0] = x;
  std::vector<torch::Tensor> inputs;
  for (const Step& step : steps_) {
    inputs.clear();
    for (const int slot : step.inputs) inputs.push_back(slots[slot]);
    slots[step.output] = step.run(inputs);
    for (const int slot : step.dead) slots[slot].reset();
  }
  return slots[output_.slot];
}

}  // namespace v2r
