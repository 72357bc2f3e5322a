// Linear classifiers on frozen features, by the recipes of the papers.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rng.h"

namespace v2r {

// Recipes. The step size is that of a batch of 256, times batch / 256; a batch larger than the data
// is the data.
//   logistic  multinomial logistic regression by L-BFGS on standardised features, to convergence
//   moco      SGD 30, batch 256, 100 epochs, x .1 after 60 and 80 (facebookresearch/moco
//             main_lincls.py)
//   mocov3    SGD .1, batch 1024, 90 epochs, cosine (moco-v3 main_lincls.py; for ViT 3)
//   dino      SGD .001, batch 1024, 100 epochs, cosine (dino eval_linear.py)
//   mae       BatchNorm without weights, then linear; LARS .1, batch 16384, 90 epochs, 10 of
//             warm-up, cosine (mae main_linprobe.py)
// SGD: momentum .9, no weight decay; weights N(0, .01) (mae: cut off at 2), no bias at first.
// The papers draw a new crop of each picture every epoch; here the features are computed once.
struct LinearProbeOptions {
  std::string recipe = "logistic";
  int64_t epochs = 0;
  int64_t batch_size = 0;
  std::vector<double> learning_rates;
  double l2 = 1e-3;

  template <typename V>
  void Fields(V& v) {
    v("recipe", recipe, "how the linear classifier is fitted",
      OneOf({"logistic", "moco", "mocov3", "dino", "mae"}));
    v("epochs", epochs, "0 = the recipe's (logistic: L-BFGS iterations, 200)", AtLeast(0));
    v("batch_size", batch_size, "0 = the recipe's; logistic has none", AtLeast(0));
    v("learning_rates", learning_rates,
      "step sizes for a batch of 256, empty = the recipe's; of several the best on a held-out "
      "fifth of the training data is taken. Logistic has none");
    v("l2", l2, "logistic: weight of |w|^2 / 2", AtLeast(0));
  }
};

struct LinearProbe {
  torch::Tensor mean, scale;    // float [D]: features are (x - mean) * scale before the layer
  torch::Tensor weight, bias;   // float [classes,D], [classes]
  double learning_rate = 0;     // that was taken; 0 for logistic

  torch::Tensor Logits(const torch::Tensor& features) const;  // [N,D] -> [N,classes]
};

// features float [N,D], CPU, targets int64 [N] in 0 .. classes-1. Draws from `rng` alone. UserError:
// keys that the recipe does not read, a loss that is not finite.
LinearProbe FitLinearProbe(const torch::Tensor& features, const torch::Tensor& targets,
                           int64_t classes, const LinearProbeOptions& options, Rng& rng);

// Share of rows of logits [N,classes] whose largest is the target's, in percent.
double Accuracy(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace v2r
