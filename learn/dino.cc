#include "learn/dino.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

struct LastLayerImpl : public torch::nn::Module {
  LastLayerImpl(int64_t in, int64_t out)
      : weight_g(register_parameter("weight_g", torch::ones({out, 1}))),
        weight_v(register_parameter("weight_v", torch::empty({out, in}))) {}
  torch::Tensor weight_g, weight_v;
};

// `count` values from `from` to `to`, both included.
double LinearStep(double from, double to, int64_t i, int64_t count) {
  if (count <= 1) return from;
  return from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1);
}

}  // namespace

DinoHeadImpl::DinoHeadImpl(const DinoHeadSpec& spec, Rng& rng) {
  V2R_CHECK(spec.in_dim > 0 && spec.out_dim > 0 && spec.layers > 0, "head {} -> {}, {} layers",
            spec.in_dim, spec.out_dim, spec.layers);
  const torch::NoGradGuard no_grad;
  const Rng base(rng.NextU64());
  int64_t width = spec.in_dim;
  for (int64_t i = 0; i < spec.layers; ++i) {
    const bool last = i + 1 == spec.layers;
    const int64_t out = last ? spec.bottleneck_dim : spec.hidden_dim;
    torch::nn::Linear linear(width, out);
    Rng stream = base.Fork("mlp", static_cast<uint64_t>(i));
    linear->weight.copy_(RandomNormal(stream, linear->weight.sizes()) * 0.02);
    linear->bias.zero_();
    mlp_->push_back(linear);
    if (!last && spec.use_bn) mlp_->push_back(torch::nn::BatchNorm1d(out));
    if (!last) mlp_->push_back(torch::nn::GELU());
    width = out;
  }
  register_module("mlp", mlp_);
  const auto last_layer = std::make_shared<LastLayerImpl>(width, spec.out_dim);
  register_module("last_layer", last_layer);
  weight_g_ = last_layer->weight_g;
  weight_v_ = last_layer->weight_v;
  Rng stream = base.Fork("last_layer");
  weight_v_.copy_((RandomUniform(stream, weight_v_.sizes()) * 2 - 1) /
                  std::sqrt(static_cast<double>(width)));
  if (spec.norm_last_layer) weight_g_.requires_grad_(false);
}

torch::Tensor DinoHeadImpl::forward(torch::Tensor x) {
  x = mlp_->forward(x);
  x = x.to(c10::promoteTypes(x.scalar_type(), torch::kFloat));  // short under autocast
  x = x / x.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
  return torch::linear(x, torch::_weight_norm(weight_v_, weight_g_, 0));
}

void DinoHeadImpl::CancelLastLayerGradients() {
  weight_g_.mutable_grad().reset();
  weight_v_.mutable_grad().reset();
}

torch::Tensor SinkhornKnopp(const torch::Tensor& logits, int64_t turns) {
  const auto [samples, outputs] = std::pair(logits.size(0), logits.size(1));
  auto q = torch::exp(logits - logits.max());  // a factor of all cancels in the first turn
  for (int64_t i = 0; i < turns; ++i) {
    q = q / q.sum(0, /*keepdim=*/true).clamp_min(1e-30) / outputs;
    q = q / q.sum(1, /*keepdim=*/true).clamp_min(1e-30) / samples;
  }
  return q * samples;
}

DinoLossImpl::DinoLossImpl(int64_t out_dim, double student_temp, double center_momentum,
                           bool sinkhorn)
    : student_temp_(student_temp), center_momentum_(center_momentum), sinkhorn_(sinkhorn) {
  center_ = register_buffer("center", torch::zeros({1, out_dim}));
}

torch::Tensor DinoLossImpl::forward(const torch::Tensor& student, const torch::Tensor& teacher,
                                    double teacher_temp) {
  const int64_t batch = teacher.size(0) / 2, crops = student.size(0) / batch;
  V2R_CHECK(teacher.size(0) == 2 * batch && student.size(0) == crops * batch && crops >= 2,
            "student [{}], teacher [{}]", fmt::join(student.sizes(), ", "),
            fmt::join(teacher.sizes(), ", "));
  const auto raw = teacher.detach();
  const auto target = sinkhorn_ ? SinkhornKnopp(raw / teacher_temp)
                                : torch::softmax((raw - center_) / teacher_temp, -1);
  const auto targets = target.chunk(2);
  const auto log_probabilities = torch::log_softmax(student / student_temp_, -1).chunk(crops);
  torch::Tensor sum = torch::zeros({}, student.options());
  for (int64_t t = 0; t < 2; ++t) {
    for (int64_t s = 0; s < crops; ++s) {
      if (s != t) sum = sum - (targets[t] * log_probabilities[s]).sum(-1).mean();
    }
  }
  const torch::NoGradGuard no_grad;
  target_entropy_ = -torch::xlogy(target, target).sum(-1).mean();
  const auto mean_target = target.mean(0);
  mean_target_entropy_ = -torch::xlogy(mean_target, mean_target).sum();
  batch_means_.push_back(raw.mean(0, /*keepdim=*/true));
  const torch::AutoGradMode grad(true);
  return sum / static_cast<double>(2 * (crops - 1));
}

void DinoLossImpl::UpdateCenter() {
  const torch::NoGradGuard no_grad;
  V2R_CHECK(!batch_means_.empty(), "no forward since the last centre");
  const auto mean = batch_means_.size() == 1 ? batch_means_[0]
                                             : torch::cat(batch_means_).mean(0, /*keepdim=*/true);
  center_.mul_(center_momentum_).add_(mean, 1 - center_momentum_);
  batch_means_.clear();
}

double DinoCosine(double base, double final, int64_t step, int64_t total, int64_t warmup,
                  double start) {
  if (step < warmup) return LinearStep(start, base, step, warmup);
  const double share = static_cast<double>(step - warmup) / static_cast<double>(total - warmup);
  return final + 0.5 * (base - final) * (1 + std::cos(std::numbers::pi * share));
}

std::vector<double> DinoCosineSchedule(double base, double final, int64_t total, int64_t warmup,
                                       double start) {
  V2R_CHECK(warmup >= 0 && warmup <= total, "{} of {} steps warm up", warmup, total);
  std::vector<double> values;
  for (int64_t i = 0; i < total; ++i) {
    values.push_back(DinoCosine(base, final, i, total, warmup, start));
  }
  return values;
}

double DinoTeacherTemperature(double warmup_temp, double temp, int64_t warmup, int64_t epoch) {
  return epoch < warmup ? LinearStep(warmup_temp, temp, epoch, warmup) : temp;
}

std::vector<double> ClipGradientsEach(const std::vector<torch::Tensor>& parameters, double clip) {
  const torch::NoGradGuard no_grad;
  std::vector<double> norms;
  for (const auto& parameter : parameters) {
    auto grad = parameter.grad();
    if (!grad.defined()) continue;
    norms.push_back(grad.norm().item<double>());
    const double factor = clip / (norms.back() + 1e-6);
    if (factor < 1) grad.mul_(factor);
  }
  return norms;
}

std::pair<std::vector<std::string>, std::vector<std::string>> DinoParameterGroups(
    const torch::nn::Module& module) {
  std::vector<std::string> decayed, spared;
  for (const auto& item : module.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const bool spare = item.key().ends_with(".bias") || item.value().dim() == 1;
    (spare ? spared : decayed).push_back(item.key());
  }
  return {decayed, spared};
}

}  // namespace v2r
