// LARS against three reference implementations, and its state in checkpoints.

#include "learn/lars.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "core/tensor_file.h"
#include "tests/golden.h"

namespace v2r {
namespace {

using Named = std::vector<std::pair<std::string, torch::Tensor>>;

Named Parameters(const GoldenCase& c) {
  Named parameters;
  for (const auto& [name, value] : c.Under("init.")) {
    parameters.emplace_back(name, value.clone().requires_grad_(true));
  }
  return parameters;
}

void SetGradients(const GoldenCase& c, Named& parameters, int64_t step) {
  for (auto& [name, parameter] : parameters) parameter.mutable_grad() = c["in.grad." + name][step];
}

std::vector<torch::Tensor> Tensors(const Named& named) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : named) tensors.push_back(tensor);
  return tensors;
}

// What the TensorFlow names of the file's parameters contain (metadata "tensors"): those three are
// excluded by name.
const std::vector<std::string> kExcluded = {"bias", "g_n1", "scalar"};

void ExpectTrajectory(const GoldenCase& c, const std::string& variant, LarsOptions options) {
  SCOPED_TRACE(c.name + " " + variant);
  options.weight_decay(c.hyper().at("weight_decay"));
  options.momentum(c.hyper().at("momentum"));
  options.trust_coefficient = c.hyper().at("eta");
  Named parameters = Parameters(c);
  Lars optimizer = options.variant == LarsVariant::kSimclr
                       ? Lars(LarsGroups(parameters, kExcluded, options), options)
                       : Lars(Tensors(parameters), options);
  const auto rates = c["in.lr"].cpu();
  for (int64_t step = 0; step < rates.size(0); ++step) {
    SetGradients(c, parameters, step);
    for (auto& group : optimizer.param_groups()) group.options().set_lr(rates[step].item<double>());
    optimizer.step();
    for (const auto& [name, parameter] : parameters) {
      EXPECT_TRUE(IsClose(parameter, c["out." + variant + "." + name][step],
                          {.relative = 1e-6, .absolute = 1e-6}))
          << name << " step " << step;
    }
  }
}

TEST(LarsGolden, FiveTrajectories) {
  for (const GoldenCase& c : GoldenCases("04_lars")) {
    LarsOptions options(1.0);
    ExpectTrajectory(c, "torch_mocov3_mae", options);
    options.variant = LarsVariant::kDino;
    ExpectTrajectory(c, "torch_dino", options);
    options.variant = LarsVariant::kSimclr;
    ExpectTrajectory(c, "tf_classic", options);
    options.nesterov(true);
    ExpectTrajectory(c, "tf_classic_nesterov", options);
    options.nesterov(false);
    options.classic_momentum = false;
    ExpectTrajectory(c, "tf_popular", options);
  }
}

// solo-learn's form, number by number: scaled by at most 1, biases as they are, nothing decays
// where there is no gradient.
TEST(Lars, SoloLearnsClipsTheScale) {
  LarsOptions options(0.5);
  options.variant = LarsVariant::kSoloLearn;
  options.trust_coefficient = 0.02;
  options.weight_decay(0.1);
  auto w = torch::tensor({{3.0F, 4.0F}}, torch::requires_grad());
  auto still = torch::tensor({{3.0F, 4.0F}}, torch::requires_grad());
  auto bias = torch::tensor({1.0F}, torch::requires_grad());
  Lars lars({w, still, bias}, options);
  const auto step = [&](float gradient) {
    w.mutable_grad() = torch::tensor({{gradient, 0.0F}});
    still.mutable_grad() = torch::zeros({1, 2});
    bias.mutable_grad() = torch::tensor({2.0F});
    lars.step();
  };
  step(1);
  // q = .02 * 5 / (1 + .1 * 5) / .5 = .13333; v = q (1 + .3, .4).
  const double q = 0.02 * 5 / 1.5 / 0.5, vx = q * 1.3, vy = q * 0.4;
  EXPECT_NEAR(w[0][0].item<double>(), 3 - 0.5 * vx, 1e-6);
  EXPECT_NEAR(w[0][1].item<double>(), 4 - 0.5 * vy, 1e-6);
  EXPECT_EQ(still[0][1].item<double>(), 4);
  EXPECT_EQ(bias.item<double>(), 0);
  const double x = w[0][0].item<double>(), y = w[0][1].item<double>();
  lars.param_groups()[0].options().set_lr(1e-3);  // .02 |w| / |..| / .001 is above 1
  step(1);
  EXPECT_NEAR(w[0][0].item<double>(), x - 1e-3 * (0.9 * vx + 1 + 0.1 * x), 1e-6);
  EXPECT_NEAR(w[0][1].item<double>(), y - 1e-3 * (0.9 * vy + 0.1 * y), 1e-6);
  lars.param_groups()[0].options().set_lr(0);  // a warm-up's first step
  step(1);
  EXPECT_TRUE(w.isfinite().all().item<bool>());
}

TEST(Lars, ResumesFromSavedState) {
  const auto start = torch::linspace(-1, 1, 12).view({3, 4});
  const auto gradient = [](int step) { return torch::sin(torch::arange(12).view({3, 4}) + step); };
  const auto run = [&](torch::Tensor weight, Lars& optimizer, int begin, int end) {
    for (int step = begin; step < end; ++step) {
      weight.mutable_grad() = gradient(step);
      optimizer.step();
    }
  };
  const LarsOptions options(0.5);
  auto whole = start.clone().requires_grad_(true), first = start.clone().requires_grad_(true);
  Lars a({whole}, options), b({first}, options);
  run(whole, a, 0, 6);
  run(first, b, 0, 3);
  const auto state = SaveOptimizer(b);
  auto second = first.detach().clone().requires_grad_(true);
  Lars resumed({second}, options);
  LoadOptimizer(resumed, state, "checkpoint");
  run(second, resumed, 3, 6);
  EXPECT_TRUE(torch::equal(second, whole));
  EXPECT_FALSE(torch::equal(second.detach(), start));
}

TEST(Lars, ParametersWithoutGradientStay) {
  auto moved = torch::ones({2, 2}).requires_grad_(true),
       still = torch::ones({2, 2}).requires_grad_(true);
  Lars optimizer({moved, still}, LarsOptions(0.1));
  moved.mutable_grad() = torch::ones({2, 2});
  optimizer.step();
  EXPECT_FALSE(torch::equal(moved.detach(), torch::ones({2, 2})));
  EXPECT_TRUE(torch::equal(still.detach(), torch::ones({2, 2})));
}

}  // namespace
}  // namespace v2r
