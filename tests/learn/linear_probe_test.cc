// Linear classifiers: that they separate what can be separated, and that every key is read.
#include "learn/linear_probe.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "core/error.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

// Matrices this small are slower on two threads than on one.
const bool kOneThread = (at::set_num_threads(1), true);

struct Blobs {
  torch::Tensor x, y;
};

// Three Gaussian blobs in 8 dimensions, whose centres are `apart` deviations from 0, on axes of
// very different scale.
Blobs MakeBlobs(int64_t count, double apart, uint64_t seed) {
  Rng rng(seed);
  Blobs blobs{RandomNormal(rng, {count, 8}), torch::arange(count).remainder(3)};
  const auto centres = torch::eye(3, 8) * apart;
  blobs.x = (blobs.x + centres.index_select(0, blobs.y)) *
            torch::tensor({1.f, 3.f, .3f, 1.f, 1.f, 10.f, 1.f, .1f});
  return blobs;
}

LinearProbeOptions Recipe(const std::string& name) {
  LinearProbeOptions options;
  options.recipe = name;
  // Steps enough for data this small.
  if (name == "dino") options.learning_rates = {0.05};
  if (name == "mae") options.learning_rates = {10};
  if (name == "moco") options.learning_rates = {0.1};
  if (name == "mocov3") options.learning_rates = {0.1};
  return options;
}

class LinearProbeRecipe : public ::testing::TestWithParam<std::string> {};

TEST_P(LinearProbeRecipe, SeparatesBlobsAndFailsOnNoise) {
  const Blobs train = MakeBlobs(600, 6, 1), test = MakeBlobs(300, 6, 2);
  Rng rng(3);
  const LinearProbe probe = FitLinearProbe(train.x, train.y, 3, Recipe(GetParam()), rng);
  EXPECT_GT(Accuracy(probe.Logits(test.x), test.y), 95);
  const Blobs noise = MakeBlobs(600, 0, 4), other = MakeBlobs(300, 0, 5);
  const LinearProbe blind = FitLinearProbe(noise.x, noise.y, 3, Recipe(GetParam()), rng);
  EXPECT_LT(Accuracy(blind.Logits(other.x), other.y), 45);
}

TEST_P(LinearProbeRecipe, SameSeedSameBits) {
  const Blobs train = MakeBlobs(100, 2, 1);
  Rng a(7), b(7);
  const LinearProbe one = FitLinearProbe(train.x, train.y, 3, Recipe(GetParam()), a);
  const LinearProbe two = FitLinearProbe(train.x, train.y, 3, Recipe(GetParam()), b);
  EXPECT_TRUE(torch::equal(one.weight, two.weight));
  EXPECT_TRUE(torch::equal(one.bias, two.bias));
}

INSTANTIATE_TEST_SUITE_P(All, LinearProbeRecipe,
                         ::testing::Values("logistic", "moco", "mocov3", "dino", "mae"),
                         [](const auto& param_info) { return param_info.param; });

// The regularised optimum: the gradient of what is minimised is 0 there.
TEST(LinearProbe, LogisticConverges) {
  const Blobs data = MakeBlobs(200, 1.5, 1);
  LinearProbeOptions options;
  options.l2 = 0.1;
  Rng rng(1);
  const LinearProbe probe = FitLinearProbe(data.x, data.y, 3, options, rng);
  auto weight = probe.weight.clone().requires_grad_(), bias = probe.bias.clone().requires_grad_();
  const auto x = (data.x - probe.mean) * probe.scale;
  const auto loss =
      torch::nn::functional::cross_entropy(torch::addmm(bias, x, weight.t()), data.y) +
      0.05 * weight.square().sum();
  loss.backward();
  EXPECT_LT(weight.grad().abs().max().item<double>(), 1e-4);
  EXPECT_LT(bias.grad().abs().max().item<double>(), 1e-4);
}

TEST(LinearProbe, AConstantFeatureIsHarmless) {
  Blobs data = MakeBlobs(90, 6, 1);
  data.x.select(1, 4).fill_(3);
  Rng rng(1);
  for (const char* recipe : {"logistic", "mae"}) {
    const LinearProbe probe = FitLinearProbe(data.x, data.y, 3, Recipe(recipe), rng);
    EXPECT_TRUE(probe.Logits(data.x).isfinite().all().item<bool>()) << recipe;
  }
}

// Of a step size that does nothing, a good one and a wild one the good one is taken.
TEST(LinearProbe, TheBestStepSizeIsFound) {
  const Blobs data = MakeBlobs(600, 3, 1);
  LinearProbeOptions options = Recipe("mocov3");
  options.epochs = 20;
  options.learning_rates = {1e-9, 0.1, 1e-8};
  Rng rng(1);
  EXPECT_EQ(FitLinearProbe(data.x, data.y, 3, options, rng).learning_rate, 0.1);
}

TEST(LinearProbe, EveryKeyChangesSomething) {
  const Blobs data = MakeBlobs(300, 2, 1);
  const auto fit = [&](const LinearProbeOptions& options) {
    Rng rng(1);
    return FitLinearProbe(data.x, data.y, 3, options, rng).weight;
  };
  std::map<std::string, std::function<void(LinearProbeOptions&)>> changes = {
      {"recipe", [](auto& o) { o.recipe = "dino"; }},
      {"epochs", [](auto& o) { o.epochs = 7; }},
      {"batch_size", [](auto& o) { o.batch_size = 50; }},
      {"learning_rates", [](auto& o) { o.learning_rates = {0.5}; }}};
  const torch::Tensor base = fit(Recipe("mocov3"));
  for (const auto& [key, change] : changes) {
    LinearProbeOptions options = Recipe("mocov3");
    change(options);
    EXPECT_FALSE(torch::equal(fit(options), base)) << key;
  }
  LinearProbeOptions strict;
  strict.l2 = 1;
  EXPECT_FALSE(torch::equal(fit(strict), fit({})));
  strict = {};
  strict.epochs = 2;
  EXPECT_FALSE(torch::equal(fit(strict), fit({})));
  for (const FieldDoc& row : Describe(LinearProbeOptions{})) {
    EXPECT_TRUE(changes.contains(row.path) || row.path == "l2") << row.path;
  }
}

TEST(LinearProbe, WhatARecipeDoesNotReadIsRefused) {
  const Blobs data = MakeBlobs(60, 2, 1);
  const auto said = [&](const std::function<void(LinearProbeOptions&)>& change) {
    LinearProbeOptions options;
    change(options);
    Rng rng(1);
    try {
      FitLinearProbe(data.x, data.y, 3, options, rng);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(said([](auto& o) { o.batch_size = 8; }).find("neither batch_size"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.learning_rates = {1}; }).find("nor learning_rates"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.recipe = "mocco"; }).find("did you mean 'moco'"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) {
              o = {"mocov3", 200, 0, {1e38}, 0};
            }).find("the loss is"),
            std::string::npos);
}

}  // namespace
}  // namespace v2r
