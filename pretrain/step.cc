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

void RequireFinite(const PretrainOptions& options, double loss, int64_t step) {
  if (std::isfinite(loss)) return;
  ThrowUser(
      "pretraining {}: the loss is {} at iteration {}. A smaller pretrain.learning_rate (now {}) "
      "or "
      "a warm-up (pretrain.warmup_iterations) helps{}",
      options.method, loss, step + 1, options.learning_rate,
      options.precision == "fp16" ? ", or precision=bf16" : "");
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
                         torch::optim::Optimizer& optimizer, const NextBatch& next, int64_t step,
                         GradScaler* scaler) {
  StepOutcome outcome;
  outcome.learning_rate = LearningRate(options, step);
  for (auto& group : optimizer.param_groups()) {
    const torch::Tensor& one = group.params().front();  // all of a group are alike
    group.options().set_lr(outcome.learning_rate * method.LearningRateScale(one));
    if (Decays(options, one)) SetWeightDecay(group.options(), WeightDecay(options, step));
  }
  optimizer.zero_grad();
  const auto parts = static_cast<double>(options.gradient_accumulation_steps);
  for (int64_t part = 0; part < options.gradient_accumulation_steps; ++part) {
    const Pretrainer::StepResult result = method.Loss(next(), step);
    const auto loss = result.loss.item<double>();
    RequireFinite(options, loss, step);
    outcome.loss += loss / parts;
    for (const auto& [name, value] : result.metrics) outcome.metrics[name] += value / parts;
    const auto share = parts > 1 ? result.loss / parts : result.loss;
    (scaler != nullptr ? scaler->Scale(share) : share).backward();
  }
  const bool finite = scaler == nullptr || scaler->Unscale(method.Parameters());
  if (options.clip_grad > 0) ClipGradientsEach(method.Parameters(), options.clip_grad);
  method.BeforeStep(step);
  if (finite) optimizer.step();
  if (scaler != nullptr) {
    scaler->Update();
    outcome.metrics["pretrain/grad_scale"] = scaler->scale();
    outcome.metrics["pretrain/skipped_steps"] = finite ? 0 : 1;
  }
  method.AfterStep(step, options.iterations);
  return outcome;
}

StepOutcome PretrainStep(const PretrainOptions& options, Pretrainer& method,
                         torch::optim::Optimizer& optimizer, const PretrainBatch& batch,
                         int64_t step) {
  V2R_CHECK_EQ(options.gradient_accumulation_steps, 1);
  return PretrainStep(
      options, method, optimizer, [&] { return batch; }, step);
}

}  // namespace v2r
