// One optimiser step of a method: what the trainer repeats.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>

#include "core/metrics.h"
#include "learn/amp.h"
#include "pretrain/options.h"
#include "pretrain/pretrainer.h"

namespace v2r {

// Step size of iteration `step`, from 0, of options.iterations: warm-up, then options.schedule down
// to min_learning_rate. Warm-up at step s of W: s/W (MoCo v3, MAE), with schedule=dino s/(W-1).
double LearningRate(const PretrainOptions& options, int64_t step);
// Weight decay of that iteration: weight_decay, or on its way to weight_decay_end.
double WeightDecay(const PretrainOptions& options, int64_t step);

struct StepOutcome {
  double loss = 0;  // mean over the step's batches
  double learning_rate = 0;
  Metrics metrics;  // the method's, likewise; with fp16 pretrain/grad_scale and
                    // pretrain/skipped_steps
};
using NextBatch = std::function<PretrainBatch()>;  // on the net's device
// Sets each group's step size (times the method's scale) and weight decay (none where Decays() says
// so), then of gradient_accumulation_steps batches loss and backward of its share, clip_grad,
// BeforeStep, the optimiser's step, AfterStep: the order of facebookresearch/dino main_dino.py
// train_one_epoch. `scaler` (fp16 alone): the gradients are unscaled before clip_grad, and a step
// whose gradients are not finite is left out, though not its AfterStep, as there. UserError naming
// method and iteration: a loss is not finite; no weight has changed then.
StepOutcome PretrainStep(const PretrainOptions& options, Pretrainer& method,
                         torch::optim::Optimizer& optimizer, const NextBatch& next, int64_t step,
                         GradScaler* scaler = nullptr);
// The step of the one batch at hand, where options ask for one.
StepOutcome PretrainStep(const PretrainOptions& options, Pretrainer& method,
                         torch::optim::Optimizer& optimizer, const PretrainBatch& batch,
                         int64_t step);

}  // namespace v2r
