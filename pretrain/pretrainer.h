// Pretrainer: one self-supervised method. A new method is one file pair, one config, one docs page.
#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>

#include "core/metrics.h"
#include "core/rng.h"
#include "media/clips.h"
#include "models/encoder.h"

namespace v2r {

// Pictures and numbers one step of a method needs; made by Views() on the loader's thread.
struct PretrainBatch {
  TensorDict tensors;  // method-specific, e.g. "view1" float [B,3,S,S] in [0,1] augmented, "gap" float [B]
};

class Pretrainer {
 public:
  virtual ~Pretrainer() = default;
  // Draws and augments one batch. Called on another thread than the rest: reads only the clips and options.
  virtual PretrainBatch Views(const ClipSet& clips, Rng& rng) const = 0;
  struct StepResult {
    torch::Tensor loss;  // scalar with gradient
    Metrics metrics;
  };
  virtual StepResult Loss(const PretrainBatch& batch, int64_t step) = 0;
  // EMA, queue, centre, schedules. Called after the optimiser's step.
  virtual void AfterStep(int64_t /*step*/, int64_t /*total_steps*/) {}
  // Parameters the optimiser trains: encoder and heads of the method.
  virtual std::vector<torch::Tensor> Parameters() = 0;
  virtual EncoderNet encoder() = 0;
  // Heads that go into the encoder file ("rank", ...).
  virtual std::map<std::string, Head> heads() { return {}; }
  // The metric the embedding is trained for: "l2" or "cosine".
  virtual std::string metric() const = 0;
  // Everything besides the optimiser that a bit-exact continuation needs.
  virtual StateDict SaveState() const = 0;
  virtual void LoadState(const StateDict& state) = 0;
};

}  // namespace v2r
