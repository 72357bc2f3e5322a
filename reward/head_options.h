// Options of the rewards that read a head of the encoder file.
#pragma once

#include <string>

#include "core/options.h"

namespace v2r {

// progress (reward/progress.h).
struct ProgressRewardOptions {
  double deviation = 0.0;
  double entropy = 0.0;

  template <typename V>
  void Fields(V& v) {
    v("deviation", deviation, "standard deviations taken off the mean progress", AtLeast(0));
    v("entropy", entropy, "weight of the distribution's entropy taken off (PROGRESSOR's alpha)",
      AtLeast(0));
  }
};

// goal_classifier (reward/goal_classifier.h).
struct GoalClassifierRewardOptions {
  std::string value = "probability";

  template <typename V>
  void Fields(V& v) {
    v("value", value, "what of the head is the reward: sigmoid(logit) (XIRL), its logarithm, logit",
      OneOf({"probability", "log_probability", "logit"}));
  }
};

}  // namespace v2r
