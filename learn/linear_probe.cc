#include "learn/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "core/torch_rng.h"
#include "learn/lars.h"
#include "learn/schedules.h"

namespace v2r {
namespace {

constexpr int64_t kReferenceBatch = 256;
constexpr double kMomentum = 0.9, kInitStd = 0.01;
constexpr int64_t kLbfgsIterations = 200;

struct Recipe {
  int64_t batch_size, epochs, warmup_epochs;
  double learning_rate;  // for a batch of 256
  bool steps;            // x .1 after 60 and 80 % of the epochs instead of a cosine
  bool norm, lars;
};

const std::map<std::string, Recipe>& Recipes() {
  static const std::map<std::string, Recipe> recipes = {
      {"moco", {256, 100, 0, 30, true, false, false}},
      {"mocov3", {1024, 90, 0, 0.1, false, false, false}},
      {"dino", {1024, 100, 0, 0.001, false, false, false}},
      {"mae", {16384, 90, 10, 0.1, false, true, true}}};
  return recipes;
}

void RequireFinite(const torch::Tensor& loss, const LinearProbeOptions& options, double rate) {
  if (std::isfinite(loss.item<double>())) return;
  ThrowUser(
      "linear probe ({}): the loss is {} with a step size of {}: try others "
      "(linear.learning_rates)",
      options.recipe, loss.item<double>(), rate);
}

LinearProbe FitLogistic(const torch::Tensor& features, const torch::Tensor& targets,
                        int64_t classes, const LinearProbeOptions& options) {
  if (options.batch_size != 0 || !options.learning_rates.empty()) {
    ThrowUser(
        "linear.recipe=logistic reads neither batch_size nor learning_rates: it is fitted to "
        "convergence on all data");
  }
  LinearProbe probe;
  probe.mean = features.mean(0);
  // A feature that never changes tells nothing and must not blow up.
  const auto deviation = features.std(0, /*unbiased=*/false);
  probe.scale = torch::where(deviation > 1e-6, 1 / deviation, torch::zeros_like(deviation));
  const auto x = (features - probe.mean) * probe.scale;
  auto weight = torch::zeros({classes, x.size(1)}).requires_grad_();
  auto bias = torch::zeros({classes}).requires_grad_();
  torch::optim::LBFGS optimizer(
      {weight, bias}, torch::optim::LBFGSOptions(1)
                          .max_iter(options.epochs > 0 ? options.epochs : kLbfgsIterations)
                          .tolerance_grad(1e-5)
                          .history_size(10)
                          .line_search_fn("strong_wolfe"));
  const auto loss = optimizer.step([&] {
    optimizer.zero_grad();
    const auto value =
        torch::nn::functional::cross_entropy(torch::addmm(bias, x, weight.t()), targets) +
        0.5 * options.l2 * weight.square().sum();
    value.backward();
    return value;
  });
  RequireFinite(loss, options, 1);
  probe.weight = weight.detach();
  probe.bias = bias.detach();
  return probe;
}

LinearProbe FitByRecipe(const torch::Tensor& features, const torch::Tensor& targets,
                        int64_t classes, const LinearProbeOptions& options, double base_rate,
                        Rng& rng) {
  const Recipe& recipe = Recipes().at(options.recipe);
  const int64_t count = features.size(0);
  const int64_t asked = options.batch_size > 0 ? options.batch_size : recipe.batch_size;
  const int64_t batch = std::min(asked, count), per_epoch = count / batch;
  const int64_t epochs = options.epochs > 0 ? options.epochs : recipe.epochs;
  const double rate = base_rate * static_cast<double>(batch) / static_cast<double>(kReferenceBatch);
  auto weight = (RandomNormal(rng, {classes, features.size(1)}) * kInitStd).requires_grad_();
  auto bias = torch::zeros({classes}).requires_grad_();
  torch::nn::BatchNorm1d norm{nullptr};
  if (recipe.norm) {
    norm = torch::nn::BatchNorm1d(
        torch::nn::BatchNorm1dOptions(features.size(1)).affine(false).eps(1e-6));
  }
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  const std::vector<torch::Tensor> parameters = {weight, bias};
  if (recipe.lars) {
    LarsOptions lars(rate);
    lars.momentum(kMomentum);
    optimizer = std::make_unique<Lars>(parameters, lars);
  } else {
    optimizer = std::make_unique<torch::optim::SGD>(
        parameters, torch::optim::SGDOptions(rate).momentum(kMomentum));
  }
  const int64_t warmup = std::min(recipe.warmup_epochs, epochs / 10) * per_epoch;
  for (int64_t epoch = 0, step = 0; epoch < epochs; ++epoch) {
    const auto order = RandomPermutation(rng, count);
    for (int64_t k = 0; k < per_epoch; ++k, ++step) {
      double factor = 1;
      if (!recipe.steps) {
        factor = ScheduleFactor("cosine", step, epochs * per_epoch, warmup);
      } else {
        if (epoch >= epochs * 6 / 10) factor *= 0.1;
        if (epoch >= epochs * 8 / 10) factor *= 0.1;
      }
      for (auto& group : optimizer->param_groups()) group.options().set_lr(rate * factor);
      const auto rows = order.slice(0, k * batch, (k + 1) * batch);
      auto x = features.index_select(0, rows);
      if (norm) x = norm->forward(x);
      optimizer->zero_grad();
      const auto loss = torch::nn::functional::cross_entropy(torch::addmm(bias, x, weight.t()),
                                                             targets.index_select(0, rows));
      RequireFinite(loss, options, rate);
      loss.backward();
      optimizer->step();
    }
  }
  LinearProbe probe{torch::zeros({features.size(1)}), torch::ones({features.size(1)}),
                    weight.detach(), bias.detach(), base_rate};
  if (norm) {
    probe.mean = norm->running_mean.clone();
    probe.scale = (norm->running_var + 1e-6).rsqrt();
  }
  return probe;
}

// The rate that does best on every fifth row of a random order.
double BestRate(const torch::Tensor& features, const torch::Tensor& targets, int64_t classes,
                const LinearProbeOptions& options, const Rng& rng) {
  Rng split = rng.Fork("held out");
  const auto order = RandomPermutation(split, features.size(0));
  const int64_t held = std::max<int64_t>(1, features.size(0) / 5);
  const auto out = order.slice(0, 0, held), in = order.slice(0, held);
  double best = -1, rate = options.learning_rates[0];
  for (size_t i = 0; i < options.learning_rates.size(); ++i) {
    Rng stream = rng.Fork("rate", i);
    const auto probe = FitByRecipe(features.index_select(0, in), targets.index_select(0, in),
                                   classes, options, options.learning_rates[i], stream);
    const double accuracy =
        Accuracy(probe.Logits(features.index_select(0, out)), targets.index_select(0, out));
    if (accuracy <= best) continue;
    best = accuracy;
    rate = options.learning_rates[i];
  }
  return rate;
}

}  // namespace

torch::Tensor LinearProbe::Logits(const torch::Tensor& features) const {
  const torch::NoGradGuard no_grad;
  return torch::addmm(bias, (features - mean) * scale, weight.t());
}

LinearProbe FitLinearProbe(const torch::Tensor& features, const torch::Tensor& targets,
                           int64_t classes, const LinearProbeOptions& options, Rng& rng) {
  V2R_CHECK(features.dim() == 2 && targets.dim() == 1 && features.size(0) == targets.size(0) &&
                features.size(0) > 1 && classes > 1,
            "features [{}], targets [{}], {} classes", fmt::join(features.sizes(), ", "),
            fmt::join(targets.sizes(), ", "), classes);
  const torch::AutoGradMode with_gradients(true);
  const auto x = features.detach();
  if (options.recipe == "logistic") return FitLogistic(x, targets, classes, options);
  const auto recipe = Recipes().find(options.recipe);
  if (recipe == Recipes().end()) {
    const std::vector<std::string> known = {"logistic", "moco", "mocov3", "dino", "mae"};
    ThrowUser("linear.recipe: unknown '{}'{} (known: {})", options.recipe,
              DidYouMean(options.recipe, known), Join(known, ", "));
  }
  double rate = recipe->second.learning_rate;
  if (options.learning_rates.size() == 1) rate = options.learning_rates[0];
  if (options.learning_rates.size() > 1) rate = BestRate(x, targets, classes, options, rng);
  return FitByRecipe(x, targets, classes, options, rate, rng);
}

double Accuracy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return 100.0 * logits.argmax(1).eq(targets).to(torch::kDouble).mean().item<double>();
}

}  // namespace v2r
