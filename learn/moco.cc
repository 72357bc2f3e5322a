#include "learn/moco.h"

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

torch::Tensor Normalized(const torch::Tensor& x) {
  return torch::nn::functional::normalize(x, torch::nn::functional::NormalizeFuncOptions().dim(1));
}

torch::Tensor FirstOfEach(const torch::Tensor& logits) {
  return torch::zeros({logits.size(0)}, torch::TensorOptions(torch::kLong).device(logits.device()));
}

}  // namespace

KeyQueueImpl::KeyQueueImpl(int64_t dim, int64_t size, Rng& rng) {
  V2R_CHECK(dim > 0 && size > 0, "queue of {} keys of {} numbers", size, dim);
  queue_ = register_buffer("queue", torch::nn::functional::normalize(
                                        RandomNormal(rng, {dim, size}),
                                        torch::nn::functional::NormalizeFuncOptions().dim(0)));
  pointer_ = register_buffer("queue_ptr", torch::zeros({1}, torch::kLong));
}

torch::Tensor KeyQueueImpl::Logits(const torch::Tensor& q, const torch::Tensor& k,
                                   double temperature) const {
  const auto positive = (q * k).sum(1, /*keepdim=*/true);
  // The keys that follow overwrite the queue, and the backward pass reads it later.
  const auto negative = torch::matmul(q, queue_.detach().clone());
  return torch::cat({positive, negative}, 1) / temperature;
}

void KeyQueueImpl::Enqueue(const torch::Tensor& keys) {
  const torch::NoGradGuard no_grad;
  const int64_t n = keys.size(0), at = pointer_.item<int64_t>();
  V2R_CHECK(size() % n == 0, "{} keys at a time into a queue of {}", n, size());
  queue_.slice(1, at, at + n).copy_(keys.t());
  pointer_.fill_((at + n) % size());
}

MocoStep MocoLoss(const Forward& query, const Forward& key, const KeyQueueImpl& queue,
                  const torch::Tensor& x1, const torch::Tensor& x2, double temperature,
                  bool symmetric, const std::vector<torch::Tensor>& permutations) {
  V2R_CHECK(permutations.empty() || permutations.size() == (symmetric ? 2u : 1u), "{} permutations",
            permutations.size());
  const auto keys_of = [&](const torch::Tensor& x, size_t direction) {
    const torch::NoGradGuard no_grad;
    if (permutations.empty()) return Normalized(key(x));
    const torch::Tensor& order = permutations[direction];
    return Normalized(key(x.index_select(0, order))).index_select(0, order.argsort());
  };
  const auto direction = [&](const torch::Tensor& x, const torch::Tensor& k) {
    return queue.Logits(Normalized(query(x)), k, temperature);
  };
  const auto k2 = keys_of(x2, 0);
  MocoStep step;
  step.logits = direction(x1, k2);
  step.loss = torch::cross_entropy_loss(step.logits, FirstOfEach(step.logits));
  step.keys = k2;
  if (!symmetric) return step;
  const auto k1 = keys_of(x1, 1);
  const auto logits = direction(x2, k1);
  step.loss = step.loss + torch::cross_entropy_loss(logits, FirstOfEach(logits));
  step.keys = torch::cat({k1, k2});
  return step;
}

torch::Tensor MocoV3Loss(const torch::Tensor& q, const torch::Tensor& k, double temperature) {
  const auto logits = torch::matmul(Normalized(q), Normalized(k.detach()).t()) / temperature;
  const auto own = torch::arange(q.size(0), torch::TensorOptions(torch::kLong).device(q.device()));
  return torch::cross_entropy_loss(logits, own) * (2 * temperature);
}

torch::nn::Sequential MocoV3Mlp(int64_t layers, int64_t in_dim, int64_t hidden_dim, int64_t out_dim,
                                bool last_norm) {
  V2R_CHECK(layers > 0, "{} layers", layers);
  torch::nn::Sequential mlp;
  for (int64_t i = 0; i < layers; ++i) {
    const bool last = i + 1 == layers;
    const int64_t in = i == 0 ? in_dim : hidden_dim, out = last ? out_dim : hidden_dim;
    mlp->push_back(torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false)));
    if (!last) {
      mlp->push_back(torch::nn::BatchNorm1d(out));
      mlp->push_back(torch::nn::ReLU());
    } else if (last_norm) {
      mlp->push_back(torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(out).affine(false)));
    }
  }
  return mlp;
}

}  // namespace v2r
