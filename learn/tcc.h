// Temporal cycle consistency (Dwibedi et al. 2019) as in XIRL (google-research/google-research
// xirl/xirl/losses.py): a frame's soft nearest neighbour in another clip should lead back to it.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

struct TccSpec {
  std::string loss_type = "regression_mse";  // regression_mse_var, regression_huber, classification
  std::string similarity = "l2";             // -|u - v|^2, or "cosine": the dot product
  double temperature = 0.1;
  bool divide_by_dim = true;  // l2: squared distances are means over the dimension
  double label_smoothing = 0.1;
  double variance_lambda = 0.001;
  double huber_delta = 0.1;
  bool normalize_indices = true;
};

// embeddings float [B,T,D], B >= 2; times int64 [B,T] of the frames; lengths int64 [B] of their
// clips. All ordered pairs of clips, mean over frames:
//   S = -|u - v|^2 / D / temperature, u' = softmax(S) V, beta = softmax of u' against U,
//   regression_mse        (sum beta t - t)^2, t = time / length (normalize_indices)
//   regression_mse_var    that times exp(-s) + variance_lambda s, s = log sum beta (t - mean)^2
//   regression_huber      Huber's function of the difference
//   classification        cross entropy with the frame's index; smoothing adds eps / (T - 1) to all
// Gradient flows into both clips. Distances are taken by differences, where the reference has the
// inaccurate product form beyond 25 frames. UserError: unknown loss or similarity.
torch::Tensor TccLoss(const torch::Tensor& embeddings, const torch::Tensor& times,
                      const torch::Tensor& lengths, const TccSpec& spec);

// Stochastic matching: cycles int64 [N,L+1] of clips (the last is the first), query int64 [N] the
// frame each starts from; L - 1 soft neighbours, then back.
torch::Tensor TccStochasticLoss(const torch::Tensor& embeddings, const torch::Tensor& times,
                                const torch::Tensor& lengths, const torch::Tensor& cycles,
                                const torch::Tensor& query, const TccSpec& spec);

}  // namespace v2r
