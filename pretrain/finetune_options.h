// Options of the evaluator that fine-tunes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/options.h"
#include "media/augment.h"

namespace v2r {

struct FinetuneOptions {
  int64_t epochs = 0;
  std::vector<double> label_fractions = {1};
  int64_t batch_size = 64;
  double learning_rate = 1e-3;
  double weight_decay = 0.05;
  double layer_decay = 1;
  int64_t ft_proj_selector = 0;
  AugmentOptions augment;

  template <typename V>
  void Fields(V& v) {
    v("epochs", epochs, "passes over the labelled pictures, 0 = no fine-tuning", AtLeast(0));
    v("label_fractions", label_fractions,
      "shares of each class that are labelled, one column each (0.01, 0.1, 1)");
    v("batch_size", batch_size, "pictures a step", AtLeast(2));
    v("learning_rate", learning_rate, "AdamW's step size after warm-up, then a half cosine to 0",
      AtLeast(0));
    v("weight_decay", weight_decay, "of weights, not of biases and norms", AtLeast(0));
    v("layer_decay", layer_decay, "as pretrain.supervised.layer_decay", InRange(1e-3, 1));
    v("ft_proj_selector", ft_proj_selector,
      "as pretrain.supervised.ft_proj_selector, of a file that has a projection head",
      InRange(0, 3));
    v("augment", augment, "augmentation of the training pictures");
  }
};

}  // namespace v2r
