#include "models/split_batchnorm.h"

#include <memory>

#include "core/error.h"

namespace v2r {

torch::Tensor SplitBatchNorm2dImpl::forward(const torch::Tensor& x) {
  if (splits == 1 || !is_training()) return torch::nn::BatchNorm2dImpl::forward(x);
  const int64_t n = x.size(0), c = x.size(1);
  V2R_CHECK(n % splits == 0, "{} samples in {} parts", n, splits);
  const auto repeated = [&](const torch::Tensor& value) { return value.repeat({splits}); };
  torch::Tensor mean = repeated(running_mean), variance = repeated(running_var);
  const auto parts = x.contiguous().view({n / splits, c * splits, x.size(2), x.size(3)});
  auto y = torch::batch_norm(parts, repeated(weight), repeated(bias), mean, variance,
                             /*training=*/true, *options.momentum(), options.eps(),
                             torch::globalContext().userEnabledCuDNN())
               .view(x.sizes());
  const torch::NoGradGuard no_grad;
  running_mean.copy_(mean.view({splits, c}).mean(0));
  running_var.copy_(variance.view({splits, c}).mean(0));
  return y;
}

int64_t SetBatchNormSplits(torch::nn::Module& module, int64_t splits) {
  int64_t found = 0;
  for (const auto& part : module.modules()) {
    if (auto* norm = part->as<SplitBatchNorm2dImpl>()) {
      norm->splits = splits;
      ++found;
    }
  }
  return found;
}

torch::nn::BatchNorm2d AsBatchNorm(const SplitBatchNorm2d& norm) {
  return torch::nn::BatchNorm2d(std::static_pointer_cast<torch::nn::BatchNorm2dImpl>(norm.ptr()));
}

}  // namespace v2r
