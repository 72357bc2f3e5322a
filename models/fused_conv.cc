#include "models/fused_conv.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>

namespace v2r {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using OptionalText = std::optional<std::string_view>;
constexpr int64_t kUnit[] = {1, 1};  // dilation
constexpr const char* kPointwise = "mkldnn::_convolution_pointwise";
constexpr const char* kPointwiseInPlace = "mkldnn::_convolution_pointwise_";
constexpr const char* kReorder = "mkldnn::_reorder_convolution_weight";

using Pointwise = torch::Tensor(const torch::Tensor&, const torch::Tensor&,
                                const std::optional<torch::Tensor>&, at::IntArrayRef,
                                at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                                Scalars, OptionalText);
using Binary = torch::Tensor&(torch::Tensor&, const torch::Tensor&, const torch::Tensor&,
                              const std::optional<torch::Tensor>&, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, std::string_view, std::optional<at::Scalar>,
                              OptionalText, Scalars, OptionalText);
using Reorder = torch::Tensor(const torch::Tensor&, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, at::OptionalIntArrayRef);

template <typename Signature>
c10::TypedOperatorHandle<Signature> Operator(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

bool CpuRunsBf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

}  // namespace

bool HasFusedConv(torch::ScalarType dtype) {
  static const bool operators =
      at::globalContext().hasMKLDNN() &&
      c10::Dispatcher::singleton().findSchema({kPointwise, ""}) &&
      c10::Dispatcher::singleton().findSchema({kPointwiseInPlace, "binary"}) &&
      c10::Dispatcher::singleton().findSchema({kReorder, ""});
  return operators && at::globalContext().userEnabledMkldnn() &&
         (dtype == torch::kFloat || CpuRunsBf16());
}

FusedConv::FusedConv(const torch::Tensor& weight, const torch::Tensor& bias,
                     std::vector<int64_t> stride, std::vector<int64_t> padding,
                     std::vector<int64_t> input_shape, bool relu)
    : bias_(bias), stride_(std::move(stride)), padding_(std::move(padding)), relu_(relu) {
  static const auto reorder = Operator<Reorder>(kReorder, "");
  weight_ = reorder.call(weight.contiguous(torch::MemoryFormat::ChannelsLast), padding_, stride_,
                         kUnit, 1, at::OptionalIntArrayRef(input_shape));
}

torch::Tensor FusedConv::Run(const torch::Tensor& x) const {
  static const auto pointwise = Operator<Pointwise>(kPointwise, "");
  return pointwise.call(x, weight_, bias_, padding_, stride_, kUnit, 1, relu_ ? "relu" : "none",
                        Scalars(), std::nullopt);
}

torch::Tensor FusedConv::RunAdd(const torch::Tensor& x, const torch::Tensor& sum) const {
  static const auto binary = Operator<Binary>(kPointwiseInPlace, "binary");
  torch::Tensor result = sum;
  binary.call(result, x, weight_, bias_, padding_, stride_, kUnit, 1, "add", std::nullopt,
              relu_ ? OptionalText("relu") : std::nullopt, Scalars(), std::nullopt);
  return result;
}

}  // namespace v2r
