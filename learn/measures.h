// Measures of rewards and representations. Numbers in double; ties get average ranks.
#pragma once

#include <torch/torch.h>

#include <span>
#include <vector>

namespace v2r {

// Average ranks, 1-based.
std::vector<double> Ranks(std::span<const double> values);
// Pearson's and Spearman's correlation and Kendall's tau-b of two sequences of equal length; NaN
// when one of them is constant or shorter than 2.
double Pearson(std::span<const double> x, std::span<const double> y);
double Spearman(std::span<const double> x, std::span<const double> y);
double KendallTau(std::span<const double> x, std::span<const double> y);
// Value-order correlation: Spearman's correlation of a video's values with its time; 1 = rising
// throughout.
double Voc(std::span<const double> values);
// Probability that a positive scores above a negative, ties count half; NaN when one side is empty.
double Auroc(std::span<const double> positives, std::span<const double> negatives);

// exp of the entropy of the eigenvalue shares of the covariance of z [B,D]: 1 = a line, D = round.
// 0 when all rows are equal.
double EffectiveDimensions(const torch::Tensor& z);
// Mean over dimensions of the deviation of the rows of z [B,D] after scaling them to unit length:
// about 1/sqrt(D) when spread out, 0 when collapsed (SimSiam, fig. 2).
double NormalizedStd(const torch::Tensor& z);

}  // namespace v2r
