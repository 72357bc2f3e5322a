// Sinkhorn against POT and on what a plan must be.
#include "reward/sinkhorn.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "core/torch_rng.h"
#include "reward/medoids.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(SinkhornGolden, PlansOfPot) {
  for (const GoldenCase& c : GoldenCases("26_sinkhorn")) {
    SCOPED_TRACE(c.name);
    const auto allowed = c.tensors.at("in.allowed").to(torch::kBool);
    const double epsilon = c.hyper().at("epsilon");
    const auto iterations = static_cast<int64_t>(c.hyper().at("iterations"));
    const auto& cost = c.tensors.at("in.cost");
    for (const auto& plan : {Sinkhorn(cost, allowed, epsilon, iterations),
                             SinkhornLogDomain(cost, allowed, epsilon, iterations)}) {
      EXPECT_TRUE(IsClose(plan, c.tensors.at("out.plan"), {.absolute = 1e-9}));
    }
  }
}

TEST(Sinkhorn, RowsAndColumnsHaveTheirWeights) {
  Rng rng(3);
  const auto plan = Sinkhorn(RandomNormal(rng, {5, 7, 11}).abs(), {}, 0.5, 300);
  EXPECT_TRUE(torch::allclose(plan.sum(2), torch::full({5, 7}, 1.0 / 7, torch::kDouble)));
  EXPECT_TRUE(torch::allclose(plan.sum(1), torch::full({5, 11}, 1.0 / 11, torch::kDouble)));
  EXPECT_GE(plan.min().item<double>(), 0);
}

// A problem's plan does not depend on the problems beside it.
TEST(Sinkhorn, EachProblemAlone) {
  Rng rng(4);
  const auto cost = RandomNormal(rng, {6, 9, 8}).abs();
  const auto together = Sinkhorn(cost, {}, 0.05, 50);
  for (int64_t b = 0; b < 6; ++b) {
    EXPECT_TRUE(torch::equal(Sinkhorn(cost.narrow(0, b, 1), {}, 0.05, 50)[0], together[b]));
  }
}

// Costs of thousands of epsilons: nothing overflows, and the scaling vectors that leave the range
// of double are caught.
TEST(Sinkhorn, CostsOfAnySize) {
  Rng rng(5);
  for (const double factor : {1e-6, 1.0, 300.0, 1e5}) {
    const auto cost = RandomNormal(rng, {3, 12, 9}).abs().to(torch::kDouble) * factor;
    const auto plan = Sinkhorn(cost, {}, 0.01, 80), slow = SinkhornLogDomain(cost, {}, 0.01, 80);
    EXPECT_TRUE(torch::isfinite(plan).all().item<bool>());
    EXPECT_TRUE(IsClose(plan, slow, {.absolute = 1e-9})) << factor;
  }
}

TEST(Sinkhorn, MaskedPairsCarryNothing) {
  const auto allowed = torch::ones({4, 4}, torch::kBool).triu();
  const auto plan = Sinkhorn(torch::rand({2, 4, 4}), allowed, 0.1, 2000);
  EXPECT_EQ(plan.masked_select(allowed.logical_not()).abs().max().item<double>(), 0);
  EXPECT_NEAR(plan.sum().item<double>(), 2, 1e-9);
}

// ---- medoids

torch::Tensor Distances(const std::vector<double>& points) {
  const auto x = torch::tensor(points);
  return (x.unsqueeze(0) - x.unsqueeze(1)).abs();
}

TEST(Medoids, OneOfEachGroup) {
  const auto d = Distances({0, 1, 2, 10, 11, 12, 30});
  EXPECT_EQ(Medoids(d, 3), (std::vector<int64_t>{1, 4, 6}));
  EXPECT_EQ(Medoids(d, 1), (std::vector<int64_t>{3}));
  EXPECT_EQ(Medoids(d, 99).size(), 7u);
}

// The greedy start takes the middle, which no pair of medoids wants.
TEST(Medoids, SwapsLeaveTheGreedyStart) {
  EXPECT_EQ(Medoids(Distances({0, 1, 1, 2, 50, 98, 99, 99, 100}), 2), (std::vector<int64_t>{1, 6}));
  EXPECT_EQ(Medoids(Distances({3, 3, 3}), 2), (std::vector<int64_t>{0, 1}));
}

}  // namespace
}  // namespace v2r
