#include "pretrain/step.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>

#include "core/error.h"
#include "learn/dino.h"
#include "learn/schedules.h"
#include "pretrain/setup.h"

namespace v2r {
namespace {

void SetWeightDecay(torch::optim::OptimizerOptions& options, double value) {
  if (auto* adamw = dynamic_cast<torch::optim::AdamWOptions*>(&options)) {
    adamw->weight_decay(value);
  } else if (auto* adam = dynamic_cast<torch::optim::AdamOptions*>(&options)) {
    adam->weight_decay(value);
  } else {
    auto* sgd = dynamic_cast<torch::optim::SGDOptions*>(&options);
    V2R_CHECK(sgd != nullptr, "an optimiser without weight decay");
    sgd->weight_decay(value);
  }
}

}  // namespace

double LearningRate(const PretrainOptions& options, int64_t step) {
  const double rate = options.learning_rate, least = options.min_learning_rate;
  const int64_t total = options.iterations, warmup = options.warmup_iterations;
  if (options.schedule == "dino") return DinoCosine(rate, least, step, total, warmup);
  const double factor = ScheduleFactor(options.schedule, step, total, warmup);
  return step < warmup ? rate * factor : least + (rate - least) * factor;
}

double WeightDecay(const PretrainOptions& options, int64_t step) {
  if (options.weight_decay_end < 0) return options.weight_decay;
  return Anneal("cosine", options.weight_decay, options.weight_decay_end, step, options.iterations);
}

StepOutcome PretrainStep(const PretrainOptions& options, Pretrainer& method,
                         torch::optim::Optimizer& optimizer, const PretrainBatch& batch,
                         int64_t step) {
  StepOutcome outcome;
  outcome.learning_rate = LearningRate(options, step);
  for (auto& group : optimizer.param_groups()) {
    const torch::Tensor& one = group.params().front();  // all of a group are alike
    group.options().set_lr(outcome.learning_rate * method.LearningRateScale(one));
    if (Decays(options, one)) SetWeightDecay(group.options(), WeightDecay(options, step));
  }
  optimizer.zero_grad();
  Pretrainer::StepResult result = method.Loss(batch, step);
  outcome.loss = result.loss.item<double>();
  if (!std::isfinite(outcome.loss)) {
    ThrowUser(
        "pretraining {}: the loss is {} at iteration {}. A smaller pretrain.learning_rate (now "
        "{}) or a warm-up "
        "(pretrain.warmup_iterations) helps",
        options.method, outcome.loss, step + 1, options.learning_rate);
  }
  result.loss.backward();
  if (options.clip_grad > 0) ClipGradientsEach(method.Parameters(), options.clip_grad);
  method.BeforeStep(step);
  optimizer.step();
  method.AfterStep(step, options.iterations);
  outcome.metrics = std::move(result.metrics);
  return outcome;
}

}  // namespace v2r
