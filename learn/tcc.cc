#include "learn/tcc.h"

#include <vector>

#include "core/error.h"

namespace v2r {
namespace {

// u [...,N,D], v [...,M,D] -> [...,N,M].
torch::Tensor Scores(const torch::Tensor& u, const torch::Tensor& v, const TccSpec& spec) {
  torch::Tensor score;
  if (spec.similarity == "l2") {
    score = -(u.unsqueeze(-2) - v.unsqueeze(-3)).square().sum(-1);
    if (spec.divide_by_dim) score = score / static_cast<double>(u.size(-1));
  } else if (spec.similarity == "cosine") {
    score = torch::matmul(u, v.transpose(-1, -2));
  } else {
    ThrowUser("unknown TCC similarity '{}' (known: l2, cosine)", spec.similarity);
  }
  return score / spec.temperature;
}

// logits [R,T] of the frames of each row's clip, labels int64 [R], times [R,T], lengths [R].
torch::Tensor CycleBack(const torch::Tensor& logits, const torch::Tensor& labels,
                        const torch::Tensor& times, const torch::Tensor& lengths,
                        const TccSpec& spec) {
  const int64_t frames = logits.size(1);
  const auto target = torch::one_hot(labels, frames).to(logits.scalar_type());
  if (spec.loss_type == "classification") {
    const double eps = spec.label_smoothing;
    const auto smooth =
        eps == 0 ? target : target * (1 - eps) + eps / static_cast<double>(frames - 1);
    return -(smooth * torch::log_softmax(logits, 1)).sum(1).mean();
  }
  auto steps = times.to(logits.scalar_type());
  if (spec.normalize_indices) steps = steps / lengths.to(logits.scalar_type()).unsqueeze(1);
  const auto beta = torch::softmax(logits, 1);
  const auto truth = (steps * target).sum(1);
  const auto predicted = (steps * beta).sum(1);
  const auto error = predicted - truth;
  if (spec.loss_type == "regression_mse") return error.square().mean();
  if (spec.loss_type == "regression_mse_var") {
    // The floor keeps the logarithm finite where one frame has all the weight.
    const auto variance = ((steps - predicted.unsqueeze(1)).square() * beta).sum(1);
    const auto log_variance = variance.clamp_min(1e-30).log();
    return ((-log_variance).exp() * error.square() + spec.variance_lambda * log_variance).mean();
  }
  if (spec.loss_type == "regression_huber") {
    return torch::huber_loss(predicted, truth, at::Reduction::Mean, spec.huber_delta);
  }
  ThrowUser(
      "unknown TCC loss '{}' (known: regression_mse, regression_mse_var, regression_huber, "
      "classification)",
      spec.loss_type);
}

void CheckShapes(const torch::Tensor& embeddings, const torch::Tensor& times,
                 const torch::Tensor& lengths) {
  V2R_CHECK(embeddings.dim() == 3 && embeddings.size(0) >= 2 && times.dim() == 2 &&
                times.size(0) == embeddings.size(0) && times.size(1) == embeddings.size(1) &&
                lengths.size(0) == embeddings.size(0),
            "embeddings [{}], times [{}], lengths [{}]", fmt::join(embeddings.sizes(), ", "),
            fmt::join(times.sizes(), ", "), fmt::join(lengths.sizes(), ", "));
}

}  // namespace

torch::Tensor TccLoss(const torch::Tensor& embeddings, const torch::Tensor& times,
                      const torch::Tensor& lengths, const TccSpec& spec) {
  CheckShapes(embeddings, times, lengths);
  const int64_t clips = embeddings.size(0), frames = embeddings.size(1);
  const auto labels =
      torch::arange(frames, torch::TensorOptions(torch::kLong).device(embeddings.device()));
  std::vector<torch::Tensor> logits, all_labels, all_times, all_lengths;
  for (int64_t i = 0; i < clips; ++i) {
    // All others at once: [B-1,T,D].
    const auto others = torch::cat({embeddings.slice(0, 0, i), embeddings.slice(0, i + 1, clips)});
    const auto own = embeddings.slice(0, i, i + 1);
    const auto neighbours = torch::matmul(torch::softmax(Scores(own, others, spec), -1), others);
    logits.push_back(Scores(neighbours, own, spec).flatten(0, 1));
    all_labels.push_back(labels.repeat({clips - 1}));
    const int64_t rows = frames * (clips - 1);
    all_times.push_back(times.slice(0, i, i + 1).expand({rows, frames}));
    all_lengths.push_back(lengths.slice(0, i, i + 1).expand({rows}));
  }
  return CycleBack(torch::cat(logits), torch::cat(all_labels), torch::cat(all_times),
                   torch::cat(all_lengths), spec);
}

torch::Tensor TccStochasticLoss(const torch::Tensor& embeddings, const torch::Tensor& times,
                                const torch::Tensor& lengths, const torch::Tensor& cycles,
                                const torch::Tensor& query, const TccSpec& spec) {
  CheckShapes(embeddings, times, lengths);
  const int64_t last = cycles.size(1) - 1;
  const auto first = cycles.select(1, 0);
  auto feature = embeddings.index({first, query}).unsqueeze(1);  // [N,1,D]
  for (int64_t c = 1; c < last; ++c) {
    const auto candidates = embeddings.index_select(0, cycles.select(1, c));
    feature = torch::matmul(torch::softmax(Scores(feature, candidates, spec), -1), candidates);
  }
  const auto logits =
      Scores(feature, embeddings.index_select(0, cycles.select(1, last)), spec).squeeze(1);
  return CycleBack(logits, query, times.index_select(0, first), lengths.index_select(0, first),
                   spec);
}

}  // namespace v2r
