#include "learn/mixup.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

// Beta(alpha, alpha): the first share of a Dirichlet draw of two.
double SampleBeta(double alpha, Rng& rng) {
  const auto both = torch::full({1, 2}, alpha, torch::kDouble);
  return at::_sample_dirichlet(both, MakeGenerator(rng))[0][0].item<double>();
}

Mix Draw(const MixSpec& spec, int64_t height, int64_t width, Rng& rng) {
  Mix mix;
  if (!rng.Bernoulli(spec.prob)) return mix;
  if (spec.mixup > 0 && spec.cutmix > 0) {
    mix.cut = rng.Bernoulli(spec.switch_prob);
  } else if (spec.mixup > 0 || spec.cutmix > 0) {
    mix.cut = spec.cutmix > 0;
  } else {
    return mix;
  }
  mix.lambda = SampleBeta(mix.cut ? spec.cutmix : spec.mixup, rng);
  if (!mix.cut) return mix;
  const auto row = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(height)));
  const auto column = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(width)));
  mix.box = CutBoxAround(height, width, mix.lambda, row, column);
  mix.lambda = 1 - static_cast<double>(mix.box.area()) / static_cast<double>(height * width);
  return mix;
}

torch::Tensor Lambdas(const std::vector<Mix>& mixes) {
  std::vector<float> lambdas;
  for (const Mix& mix : mixes) lambdas.push_back(static_cast<float>(mix.lambda));
  return torch::tensor(lambdas).unsqueeze(1);
}

}  // namespace

CutBox CutBoxAround(int64_t height, int64_t width, double lambda, int64_t row, int64_t column) {
  const double ratio = std::sqrt(1 - lambda);
  const int64_t half_h = static_cast<int64_t>(static_cast<double>(height) * ratio) / 2;
  const int64_t half_w = static_cast<int64_t>(static_cast<double>(width) * ratio) / 2;
  return {std::max<int64_t>(0, row - half_h), std::min(height, row + half_h),
          std::max<int64_t>(0, column - half_w), std::min(width, column + half_w)};
}

std::vector<Mix> DrawMixes(const MixSpec& spec, int64_t batch, int64_t height, int64_t width,
                           Rng& rng) {
  V2R_CHECK(batch % 2 == 0, "a batch of {}", batch);
  if (spec.mode == "batch") {
    return std::vector<Mix>(static_cast<size_t>(batch), Draw(spec, height, width, rng));
  }
  if (spec.mode != "pair" && spec.mode != "elem") {
    ThrowUser("mixup_mode: unknown '{}' (known: batch, pair, elem)", spec.mode);
  }
  std::vector<Mix> mixes(static_cast<size_t>(batch));
  const int64_t drawn = spec.mode == "pair" ? batch / 2 : batch;
  for (int64_t i = 0; i < drawn; ++i) {
    mixes[i] = Draw(spec, height, width, rng);
    if (spec.mode == "pair") mixes[batch - 1 - i] = mixes[i];
  }
  return mixes;
}

torch::Tensor MixPictures(const torch::Tensor& x, const std::vector<Mix>& mixes) {
  V2R_CHECK_EQ(x.size(0), static_cast<int64_t>(mixes.size()));
  torch::Tensor mixed = x.clone();
  for (int64_t i = 0; i < x.size(0); ++i) {
    const Mix& mix = mixes[i];
    const torch::Tensor other = x[x.size(0) - 1 - i];
    if (mix.cut) {
      const auto inside = [&](const torch::Tensor& picture) {
        return picture.slice(1, mix.box.top, mix.box.bottom).slice(2, mix.box.left, mix.box.right);
      };
      inside(mixed[i]).copy_(inside(other));
    } else if (mix.lambda != 1) {
      mixed[i].mul_(mix.lambda).add_(other, 1 - mix.lambda);
    }
  }
  return mixed;
}

torch::Tensor MixTargets(const torch::Tensor& targets, int64_t classes,
                         const std::vector<Mix>& mixes, double smoothing) {
  V2R_CHECK_EQ(targets.size(0), static_cast<int64_t>(mixes.size()));
  const double off = smoothing / static_cast<double>(classes);
  const auto y = torch::one_hot(targets, classes).to(torch::kFloat) * (1 - smoothing) + off;
  const auto lambda = Lambdas(mixes);
  return y * lambda + y.flip(0) * (1 - lambda);
}

torch::Tensor SoftTargetCrossEntropy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return -(targets * torch::log_softmax(logits, -1)).sum(-1).mean();
}

}  // namespace v2r
