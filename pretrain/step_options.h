// Options of an optimiser step, whatever the method.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"
#include "learn/amp.h"

namespace v2r {

struct StepOptions {
  int64_t gradient_accumulation_steps = 1;
  std::string precision = "fp32";
  GradScalerOptions grad_scaler;

  template <typename V>
  void Fields(V& v) {
    v("gradient_accumulation_steps", gradient_accumulation_steps,
      "batches whose gradients are averaged before a step; they add no negatives to each other",
      AtLeast(1));
    v("precision", precision,
      "what networks compute in; weights and losses stay fp32. fp16 scales the loss",
      OneOf({"fp32", "bf16", "fp16"}));
    v("grad_scaler", grad_scaler, "precision=fp16: scale of the loss");
  }
};

}  // namespace v2r
