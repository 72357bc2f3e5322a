// Losses of representation learning from images and video. Float tensors on any device; each
// returns a scalar with gradient.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// x / sqrt(max(sum x^2, 1e-12)) over the last dimension (SimCLR's l2_normalize).
torch::Tensor L2Normalize(const torch::Tensor& x);

// Normalised temperature-scaled cross entropy over two views z1, z2 [N,D] of N samples: each row's
// positive is its other view, its negatives are the other 2N - 2 rows. scaling "mean": mean over
// the 2N rows (SimCLR, eq. 1); "simclr": the released sum of two means, twice that
// (google-research/simclr tf2/objective.py). `normalize` scales the rows to unit length first.
// UserError: unknown scaling.
torch::Tensor NtXent(const torch::Tensor& z1, const torch::Tensor& z2, double temperature,
                     const std::string& scaling = "mean", bool normalize = true);
// The same for one process's rows z1, z2 [N,D] against the rows of all processes all1, all2 [M,D]
// (with gradient), of which its own begin at row `offset`. `memory` [K,D], if defined: further
// negatives of every row, without gradient (SimCLR v2, section 2). Nothing is normalised here.
torch::Tensor NtXentGathered(const torch::Tensor& z1, const torch::Tensor& z2,
                             const torch::Tensor& all1, const torch::Tensor& all2, int64_t offset,
                             double temperature, const std::string& scaling = "mean",
                             const torch::Tensor& memory = {});

// Knowledge distillation, SimCLR v2: tau^2 * mean CE(softmax(teacher / tau), student / tau) over
// logits [B,C].
torch::Tensor DistillationLoss(const torch::Tensor& student, const torch::Tensor& teacher,
                               double tau);

// Time-contrastive triplet loss, squared L2 (Sermanet 2018; kekeblom/tcn): mean of max(0, |a-p|^2 +
// margin - |a-n|^2) over [N,D].
torch::Tensor TcnTriplet(const torch::Tensor& anchor, const torch::Tensor& positive,
                         const torch::Tensor& negative, double margin);

// XIRL's TCN (google-research/xirl trainers/tcn.py): embeddings [B,T,D], frame indices positives
// and negatives int64 [B,T,P]; d = |x-y|^2 / temperature; (sum of d to positives + sum of max(0,
// margin - d)^2 to negatives) / (B T).
torch::Tensor XirlTcn(const torch::Tensor& embeddings, const torch::Tensor& positives,
                      const torch::Tensor& negatives, double temperature, double margin = 1.0);
// XIRL's cross-entropy form: embeddings [B,T,D], T even; the first T/2 frames are positives, the
// second T/2 their anchors in the same order; cross entropy of -|x-y|^2 / temperature with the
// diagonal as target, mean over rows and videos.
torch::Tensor XirlTcnCrossEntropy(const torch::Tensor& embeddings, double temperature);
// LIFS (xirl trainers/lifs.py, the alignment part): squared distances / temperature between frames
// of equal index in different sequences of embeddings [B,T,D], over all ordered pairs of sequences,
// mean over B T rows.
torch::Tensor Lifs(const torch::Tensor& embeddings, double temperature = 1.0);

// N-pairs (Sohn 2016; google-research/google-research tcc, _npairs_loss): anchors and positives
// [N,D], row i with row i; cross entropy of their dot products plus reg_lambda / 4 times the mean
// squared lengths of both.
torch::Tensor NPairs(const torch::Tensor& anchor, const torch::Tensor& positive,
                     double reg_lambda);

// Temporal distance: smooth L1 (beta 1) of ||za - zb|| against |dt| / scale; za, zb [N,D], dt [N]
// in steps (any number type).
torch::Tensor TemporalDistance(const torch::Tensor& za, const torch::Tensor& zb,
                               const torch::Tensor& dt, double scale);

// Pairwise ranking (RankNet, Bradley-Terry): mean softplus(-(u_late - u_early)) + regulariser *
// mean u^2 over both; u_* [N] or [N,1].
torch::Tensor RankingLoss(const torch::Tensor& u_early, const torch::Tensor& u_late,
                          double regulariser = 0);

}  // namespace v2r
