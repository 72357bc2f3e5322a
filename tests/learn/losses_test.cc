// Properties of the losses that no reference file covers.

#include "learn/losses.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "core/torch_rng.h"
#include "learn/ema.h"
#include "learn/projection_head.h"
#include "learn/rank2reward.h"
#include "tests/golden.h"

namespace v2r {
namespace {

torch::Tensor Random(uint64_t seed, at::IntArrayRef shape) {
  Rng rng(seed);
  return RandomNormal(rng, shape);
}

TEST(NtXent, UniformLogitsGiveLogOfTheChoices) {
  const auto same = torch::ones({6, 4});
  EXPECT_NEAR(NtXent(same, same, 0.1).item<double>(), std::log(11.0), 1e-5);
  EXPECT_THROW(NtXent(same, same, 0.1, "sum"), UserError);
}

TEST(L2Normalize, UnitLengthAndNoNanAtZero) {
  const auto x = torch::cat({Random(1, {3, 5}), torch::zeros({1, 5})}).requires_grad_(true);
  const auto y = L2Normalize(x);
  EXPECT_TRUE(IsClose(y.norm(2, 1), torch::tensor({1.0, 1.0, 1.0, 0.0}), {.absolute = 1e-6}));
  y.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(TemporalDistance, ZeroWhereDistancesAreRight) {
  const auto za = torch::tensor({{0.f, 0.f}, {1.f, 0.f}, {2.f, 2.f}});
  const auto zb = torch::tensor({{3.f, 4.f}, {1.f, 1.f}, {2.f, 2.f}});
  const auto dt = torch::tensor({50, -10, 0});
  EXPECT_NEAR(TemporalDistance(za, zb, dt, 10).item<double>(), 0, 1e-6);
  // One distance short by 3: smooth L1 2.5; one by .5: .125.
  const auto wrong = torch::tensor({80, 15, 0});
  EXPECT_NEAR(TemporalDistance(za, zb, wrong, 10).item<double>(), (2.5 + 0.125) / 3, 1e-5);
}

TEST(TemporalDistance, GradientIsFiniteForEqualEmbeddings) {
  const auto z = torch::zeros({2, 3}).requires_grad_(true);
  TemporalDistance(z, z.detach().clone(), torch::tensor({5.f, 7.f}), 10).backward();
  EXPECT_TRUE(z.grad().isfinite().all().item<bool>());
}

TEST(RankingLoss, OrderAndRegulariser) {
  const auto early = torch::tensor({-2.f, 0.f}), late = torch::tensor({2.f, 1.f});
  const double expected = (std::log1p(std::exp(-4.0)) + std::log1p(std::exp(-1.0))) / 2;
  EXPECT_NEAR(RankingLoss(early, late).item<double>(), expected, 1e-6);
  EXPECT_NEAR(RankingLoss(early, late, 0.1).item<double>(), expected + 0.1 * 9.0 / 4, 1e-6);
  EXPECT_GT(RankingLoss(late, early).item<double>(), expected);
}

TEST(XirlTcn, ConstantEmbeddingsCostTheNumberOfNegatives) {
  const auto indices = torch::zeros({2, 6, 2}, torch::kLong);
  EXPECT_NEAR(XirlTcn(torch::ones({2, 6, 3}), indices, indices, 0.1).item<double>(), 2, 1e-6);
  EXPECT_NEAR(XirlTcn(torch::ones({2, 6, 3}), indices, indices, 0.1, 3).item<double>(), 18, 1e-5);
}

TEST(Rank2Reward, StartsAtLn2AndRefusesUnknownForms) {
  const auto zero = torch::zeros({4, 1});
  const auto t = torch::arange(4);
  EXPECT_NEAR(Rank2RewardRanking(zero, zero, t, t.flip(0)).item<double>(), std::log(2.0), 1e-6);
  EXPECT_THROW(Rank2RewardForm("sum", zero, zero), UserError);
  const auto extreme = torch::tensor({-200.f, 200.f});
  for (const std::string form : {"log", "log_dratio", "airl"}) {
    EXPECT_TRUE(Rank2RewardForm(form, extreme, extreme).isfinite().all().item<bool>()) << form;
  }
}

TEST(ProjectionHead, LayersAndInitialScale) {
  Rng rng(1);
  ProjectionHeadImpl head({.in_dim = 20, .hidden_dim = 30, .out_dim = 5, .layers = 2}, rng);
  EXPECT_EQ(head.forward(Random(2, {8, 20})).sizes(), (std::vector<int64_t>{8, 5}));
  EXPECT_EQ(head.Layers(Random(2, {8, 20})).size(), 3u);
  EXPECT_NEAR(ModuleState(head).at("nl_0.dense.weight").std().item<double>(), 0.01, 1e-3);
}

TEST(Ema, MovesParametersAndLeavesBuffers) {
  Rng rng(1);
  const ProjectionHeadSpec spec{.in_dim = 4, .hidden_dim = 4, .out_dim = 4, .layers = 1};
  ProjectionHeadImpl source(spec, rng), target(spec, rng);
  const auto before = ModuleState(target).at("nl_0.dense.weight").clone();
  source.forward(Random(3, {16, 4}) + 5);  // moves the running statistics
  EmaUpdate(target, source, 0.9);
  const auto expected = before * 0.9 + ModuleState(source).at("nl_0.dense.weight") * 0.1;
  EXPECT_TRUE(IsClose(ModuleState(target).at("nl_0.dense.weight"), expected, {.absolute = 1e-7}));
  EXPECT_EQ(ModuleState(target).at("nl_0.bn.running_mean").abs().max().item<double>(), 0);
  CopyState(target, source);
  for (const auto& [name, tensor] : ModuleState(source)) {
    EXPECT_TRUE(torch::equal(ModuleState(target).at(name), tensor)) << name;
  }
  Freeze(target);
  for (const auto& p : target.parameters()) EXPECT_FALSE(p.requires_grad());
  ProjectionHeadImpl other({.in_dim = 4, .hidden_dim = 4, .out_dim = 4, .layers = 2}, rng);
  EXPECT_THROW(EmaUpdate(other, source, 0.9), Error);
}

}  // namespace
}  // namespace v2r
