// Pretrainer: one self-supervised method. A new method is one file pair, one config, one docs page
// and one line in registry.cc.
#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/rng.h"
#include "media/clips.h"
#include "models/encoder_part.h"

namespace v2r {

// Pictures and numbers one step of a method needs; made by Views() on the loader's thread.
struct PretrainBatch {
  TensorDict tensors;  // method-specific, e.g. "views" float [2B,3S,H,W] in [0,1] augmented, "gap"
                       // float [B]
};

class Pretrainer {
 public:
  virtual ~Pretrainer() = default;
  // Called once before the first step, also when a run is continued (LoadState comes after it).
  // `demos` are demonstration frames, evenly spaced, float [M,3S,H,W] in [0,1] on the net's device:
  // heads take their statistics from them. UserError when the clips do not fit the method (too
  // short, no clip of a label it needs).
  virtual void Prepare(const ClipSet& /*clips*/, const torch::Tensor& /*demos*/) {}
  // Draws and augments one batch, CPU tensors. Called on another thread than the rest: reads only
  // the clips and options.
  virtual PretrainBatch Views(const ClipSet& clips, Rng& rng) const = 0;
  struct StepResult {
    torch::Tensor loss;  // scalar with gradient
    Metrics metrics;
  };
  // The batch's tensors are on the net's device. Called gradient_accumulation_steps times a step.
  virtual StepResult Loss(const PretrainBatch& batch, int64_t step) = 0;
  // Called between backward (and clip_grad) and the optimiser's step: gradients may be changed or
  // taken away.
  virtual void BeforeStep(int64_t /*step*/) {}
  // EMA, queue, centre, schedules. Called after the optimiser's step.
  virtual void AfterStep(int64_t /*step*/, int64_t /*total_steps*/) {}
  // Parameters the optimiser trains: encoder and heads of the method.
  virtual std::vector<torch::Tensor> Parameters() = 0;
  // Factor on the step size of one of them.
  virtual double LearningRateScale(const torch::Tensor& /*parameter*/) const { return 1; }
  // What the method's own classifier tells of labelled pictures that were kept out of training
  // ("pretrain/val_acc"): x float [M,3S,H,W] normalised, on the net's device, targets int64 [M] on
  // the CPU. In eval mode, no gradient. Nothing from a method that learns without labels.
  virtual Metrics Validate(const torch::Tensor& /*x*/, const torch::Tensor& /*targets*/) {
    return {};
  }
  virtual EncoderNet encoder() = 0;
  // Heads that go into the encoder file ("rank", ...).
  virtual std::map<std::string, Head> heads() { return {}; }
  // Modules that go into the encoder file besides, for who asks for them ("mae_decoder").
  virtual EncoderParts parts() { return {}; }
  // The metric the embedding is trained for: "l2" or "cosine".
  virtual std::string metric() const = 0;
  // Everything besides the optimiser that a bit-exact continuation needs.
  virtual StateDict SaveState() const = 0;
  virtual void LoadState(const StateDict& state) = 0;
};

}  // namespace v2r
