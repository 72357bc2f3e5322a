#include "reward/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/torch_rng.h"
#include "reward/true_reward.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

// Expert frames around (+2, 0, ...), policy frames around (-2, 0, ...).
torch::Tensor Cloud(double centre, int64_t rows, uint64_t seed) {
  Rng rng(seed);
  auto z = RandomNormal(rng, {rows, 4});
  z.select(1, 0) += centre;
  return z;
}
RolloutFeatures Policy(double centre, uint64_t seed, int64_t steps = 16) {
  RolloutFeatures features;
  features.next = Cloud(centre, steps * 2, seed).view({steps, 2, 4});
  features.env_reward = torch::zeros({steps, 2});
  return features;
}
std::unique_ptr<ClassifierReward> Make(const ClassifierOptions& options) {
  auto reward = std::make_unique<ClassifierReward>(std::make_unique<TrueReward>(RewardOptions()),
                                                   options, 4, torch::kCPU);
  DemoFeatures demos;
  demos.good = {Cloud(2, 60, 1), Cloud(2, 40, 2)};
  reward->Calibrate(demos);
  return reward;
}
ClassifierOptions Weighted() {
  ClassifierOptions options;
  options.weight = 0.1;
  return options;
}

TEST(ClassifierReward, TellsExpertFromPolicy) {
  const auto reward = Make(Weighted());
  Rng rng(5);
  Metrics metrics;
  double first_loss = 0;
  for (int i = 0; i < 10; ++i) {
    reward->Learn(Policy(-2, 10 + i), rng, metrics);
    if (i == 0) first_loss = metrics["reward/classifier_loss"];
  }
  EXPECT_LT(metrics["reward/classifier_loss"], first_loss);
  EXPECT_GT(metrics["reward/classifier_accuracy"], 0.9);
  std::map<std::string, torch::Tensor> parts;
  EXPECT_GT(reward->Compute(Policy(2, 50), &parts).mean().item<double>(), 0.05);
  EXPECT_LT(reward->Compute(Policy(-2, 51), &parts).mean().item<double>(), -0.05);
  EXPECT_EQ(parts.at("base").abs().max().item<double>(), 0);
  EXPECT_EQ(parts.at("classifier").sizes(), parts.at("base").sizes());
}

// Every step of a rollout, also those made before the classifier learned from it, is rewarded by the
// version that has learned from all of it; the next rollout by the next.
TEST(ClassifierReward, ARolloutIsRewardedByOneVersion) {
  auto options = testing::Options("goal_distance");
  options.classifier.weight = 0.1;
  options.classifier.steps = 5;
  options.classifier.batch_size = 8;
  const auto env = testing::Assemble(options, {});
  env->Reset(1);
  std::vector<float> before;
  for (int rollout = 1; rollout <= 3; ++rollout) {
    Metrics metrics;
    const auto rewards = testing::Rollout(*env, 8, testing::Forward, &metrics);
    EXPECT_EQ(metrics["reward/version"], rollout);
    for (int64_t t = 0; t < 4; ++t) {
      EXPECT_NEAR(rewards[t], rewards[t + 4], 1e-6) << "equal pictures of two episodes";
    }
    EXPECT_NE(rewards, before);
    before = rewards;
  }
  StateDict state;
  env->SaveState(state);
  const auto resumed = testing::Assemble(options, {});
  resumed->LoadState(state);
  Metrics metrics;
  testing::Rollout(*resumed, 4, testing::Forward, &metrics);
  EXPECT_EQ(metrics["reward/version"], 4);
}

TEST(ClassifierReward, AdditionIsClippedAndWeighted) {
  auto options = Weighted();
  options.clip = 0.5;
  options.steps = 200;
  options.learning_rate = 1e-2;
  const auto reward = Make(options);
  Rng rng(5);
  Metrics metrics;
  reward->Learn(Policy(-2, 10), rng, metrics);
  const auto added = reward->Compute(Policy(-6, 11), nullptr);
  EXPECT_NEAR(added.min().item<double>(), -0.05, 1e-6);
  EXPECT_NEAR(added.max().item<double>(), -0.05, 1e-6);
  EXPECT_NEAR(reward->Compute(Policy(6, 12), nullptr).max().item<double>(), 0.05, 1e-6);
}

TEST(ClassifierReward, AddsNothingBeforeItLearned) {
  const auto reward = Make(Weighted());
  EXPECT_EQ(reward->Compute(Policy(-2, 1), nullptr).abs().max().item<double>(), 0);
}

TEST(ClassifierReward, NoGradientLeavesIt) {
  const auto reward = Make(Weighted());
  Rng rng(5);
  Metrics metrics;
  auto features = Policy(-2, 10);
  features.next.requires_grad_(true);
  reward->Learn(features, rng, metrics);
  EXPECT_FALSE(reward->Compute(features, nullptr).requires_grad());
  EXPECT_FALSE(features.next.grad().defined());
}

// A dimension that never moves in the demonstrations and a little in the policy must not drown the
// others.
TEST(ClassifierReward, ConstantDimensionDoesNotExplode) {
  ClassifierReward reward(std::make_unique<TrueReward>(RewardOptions()), Weighted(), 4,
                          torch::kCPU);
  auto still = Cloud(2, 100, 1);
  still.select(1, 3).fill_(1);
  DemoFeatures demos;
  demos.good = {still};
  reward.Calibrate(demos);
  Rng rng(5);
  Metrics metrics;
  auto policy = Policy(2, 10);
  policy.next.select(2, 3).fill_(1.01);
  reward.Learn(policy, rng, metrics);
  EXPECT_LT(reward.Compute(policy, nullptr).abs().max().item<double>(),
            0.1);  // nowhere near the clip of 0.4
}

TEST(Reservoir, KeepsTheLastRollouts) {
  Reservoir reservoir(/*rollouts=*/2, /*frames=*/3);
  Rng rng(1);
  const auto add = [&](double value, int64_t rows) {
    reservoir.Add(torch::full({rows, 2}, value), rng);
  };
  const auto values = [&] {
    std::map<float, int> counts;
    const auto drawn = reservoir.Sample(3000, rng);
    EXPECT_EQ(drawn.size(0), 3000);
    for (int64_t i = 0; i < 3000; ++i) ++counts[drawn[i][0].item<float>()];
    return counts;
  };
  add(1, 10);
  EXPECT_EQ(reservoir.size(), 3);
  add(2, 1);
  EXPECT_EQ(reservoir.size(), 4);
  auto counts = values();
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[1], 2250, 150);  // three rows of four
  add(3, 10);                         // takes the place of the first
  counts = values();
  EXPECT_EQ(counts.count(1), 0u);
  EXPECT_NEAR(counts[2], 750, 150);
}

TEST(Reservoir, RowsAreDrawnWithoutReplacement) {
  Reservoir reservoir(1, 6);
  Rng rng(1);
  reservoir.Add(torch::arange(6, torch::kFloat).unsqueeze(1), rng);
  StateDict state;
  reservoir.SaveState(state);
  std::vector<float> rows;
  for (const float row : state.at("rows").as<float>()) rows.push_back(row);
  EXPECT_THAT(rows, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5));
  Reservoir loaded(1, 6);
  loaded.LoadState(state, torch::kCPU);
  Rng a(9), b(9);
  EXPECT_TRUE(torch::equal(loaded.Sample(20, a), reservoir.Sample(20, b)));
  Reservoir other(2, 6);
  EXPECT_THROW(other.LoadState(state, torch::kCPU), UserError);
}

}  // namespace
}  // namespace v2r
