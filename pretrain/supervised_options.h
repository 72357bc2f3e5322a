// Options of learning from labels and from a teacher.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"

namespace v2r {

// Named as in timm's train.py and MAE's main_finetune.py; fine_tune_after_block and
// ft_proj_selector as in google-research/simclr.
struct SupervisedOptions {
  double label_fraction = 1;
  double smoothing = 0;
  double mixup = 0;
  double cutmix = 0;
  double mixup_prob = 1;
  double mixup_switch_prob = 0.5;
  std::string mixup_mode = "batch";
  double layer_decay = 1;
  int64_t fine_tune_after_block = -1;
  int64_t ft_proj_selector = 0;
  double head_init_std = 0.01;

  template <typename V>
  void Fields(V& v) {
    v("label_fraction", label_fraction,
      "share of each class whose labels are used, one picture at least, drawn from pretrain.seed; "
      "a "
      "smaller share is part of a larger one (distill: of its label term)",
      InRange(1e-6, 1));
    v("smoothing", smoothing, "label smoothing: this share of a target is spread over all classes",
      InRange(0, 0.99));
    v("mixup", mixup, "mixup: alpha of the Beta distribution of lambda, 0 = off", AtLeast(0));
    v("cutmix", cutmix, "CutMix: alpha of the Beta distribution of lambda, 0 = off", AtLeast(0));
    v("mixup_prob", mixup_prob, "probability that mixup or CutMix happens", InRange(0, 1));
    v("mixup_switch_prob", mixup_switch_prob, "probability of CutMix where both are on",
      InRange(0, 1));
    v("mixup_mode", mixup_mode, "one draw for the batch, for a pair of pictures or for each",
      OneOf({"batch", "pair", "elem"}));
    v("layer_decay", layer_decay,
      "step size of a layer is this factor smaller than of the next (BEiT, MAE: .65 to .75), 1 = "
      "all alike",
      InRange(1e-3, 1));
    v("fine_tune_after_block", fine_tune_after_block,
      "layers up to this one stay as they are: 0 = stem (patch embedding), k = the k-th block "
      "(group of a ResNet), -1 = all are trained",
      AtLeast(-1));
    v("ft_proj_selector", ft_proj_selector,
      "hidden layers of init_from's projection head that the classifier starts with (SimCLR v2: 1)",
      InRange(0, 3));
    v("head_init_std", head_init_std,
      "deviation of the fresh classifier's weights (SimCLR 0, MAE 2e-5; distill too)",
      InRange(0, 10));
  }
};

struct DistillOptions {
  std::string teacher;
  double temperature = 1;
  double alpha = 1;

  template <typename V>
  void Fields(V& v) {
    v("teacher", teacher, "encoder file with a head `classifier`, as method=supervised writes it");
    v("temperature", temperature, "of the softmax of teacher and student", AtLeast(1e-3));
    v("alpha", alpha,
      "weight of the teacher's probabilities; the labels' cross-entropy has 1 - alpha",
      InRange(0, 1));
  }
};

}  // namespace v2r
