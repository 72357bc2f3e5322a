// t-SNE (van der Maaten and Hinton 2008), exact: a map of a few thousand points in the plane that
// keeps neighbours together. Of farther apart than neighbours it says nothing.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "core/options.h"

namespace v2r {

// Defaults as scikit-learn's TSNE.
struct TsneOptions {
  double perplexity = 30;
  int64_t iterations = 1000;
  double early_exaggeration = 12;
  double learning_rate = 0;

  template <typename V>
  void Fields(V& v) {
    v("perplexity", perplexity,
      "neighbours that a point has about, at most a third of the others (else cut to it)",
      AtLeast(1));
    v("iterations", iterations, "steps of gradient descent, a quarter exaggerated; 0 = no map",
      AtLeast(0));
    v("early_exaggeration", early_exaggeration, "factor of the attraction in the first quarter",
      AtLeast(1));
    v("learning_rate", learning_rate, "step size, 0 = points / early_exaggeration / 4, at least 50",
      AtLeast(0));
  }
};

// Joint probabilities p_ij of x [N,D], N >= 3 (eq. 1 and section 3.1): double [N,N], symmetric, sum
// 1. Each row's Gaussian is as wide as gives its entropy log(perplexity), by bisection.
torch::Tensor TsneAffinities(const torch::Tensor& x, double perplexity);

// KL(P || Q) of y [N,2] (eq. 4, natural logarithm) and its gradient, double [N,2] (eq. 5).
struct TsneCost {
  double kl = 0;
  torch::Tensor gradient;
};
TsneCost TsneKl(const torch::Tensor& affinities, const torch::Tensor& y);

// Gradient descent from y [N,2] with the paper's momentum and gains (scikit-learn
// manifold/_t_sne.py _gradient_descent; exaggerated at first, momentum .5, then .8).
// Draws nothing, and the same for any number of threads. Ctrl-C throws Interrupted.
struct TsneMap {
  torch::Tensor y;  // double [N,2]
  double kl = 0;
};
TsneMap TsneDescend(const torch::Tensor& affinities, const torch::Tensor& y,
                    const TsneOptions& options);

// float [N,2] of x [N,D]: from its first two principal components, `plane` [N,2] in any scale, of
// which the first gets the deviation 1e-4.
torch::Tensor Tsne(const torch::Tensor& x, const torch::Tensor& plane, const TsneOptions& options);

}  // namespace v2r
