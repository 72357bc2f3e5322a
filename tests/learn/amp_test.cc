// Mixed precision: what autocast changes and gives back, and the loss scale's life.
#include "learn/amp.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"

namespace v2r {
namespace {

TEST(AutocastTest, ProductsAreShortInsideAndTheSettingIsPutBack) {
  const auto a = torch::ones({2, 2});
  const auto type = [&] { return torch::matmul(a, a).scalar_type(); };
  const auto before = at::autocast::get_autocast_dtype(torch::kCPU);
  {
    const Autocast outer("bf16", torch::kCPU);
    EXPECT_EQ(type(), torch::kBFloat16);
    {
      const Autocast none("fp32", torch::kCPU);
      const Autocast inner("fp16", torch::kCPU);
      EXPECT_EQ(type(), torch::kFloat16);
    }
    EXPECT_EQ(type(), torch::kBFloat16);
  }
  EXPECT_EQ(type(), torch::kFloat);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(torch::kCPU));
  EXPECT_EQ(at::autocast::get_autocast_dtype(torch::kCPU), before);
}

// A weight that changes between two regions must not be remembered as it was.
TEST(AutocastTest, ChangedWeightsAreCastAnew) {
  auto weight = torch::ones({2, 2}, torch::requires_grad());
  const auto x = torch::ones({1, 2});
  const auto product = [&] {
    const Autocast autocast("bf16", torch::kCPU);
    return torch::matmul(x, weight).to(torch::kFloat).sum().item<float>();
  };
  EXPECT_EQ(product(), 4);
  {
    const torch::NoGradGuard no_grad;
    weight.mul_(3);
  }
  EXPECT_EQ(product(), 12);
}

torch::Tensor WithGrad(float value) {
  auto parameter = torch::zeros({2}, torch::requires_grad());
  parameter.mutable_grad() = torch::tensor({value, 1.0F});
  return parameter;
}

TEST(GradScalerTest, ScalesAndUnscales) {
  GradScaler scaler({.init_scale = 8}, torch::kCPU);
  auto w = torch::tensor({3.0F}, torch::requires_grad());
  scaler.Scale((w * w).sum()).backward();
  EXPECT_EQ(w.grad().item<float>(), 48);
  auto untouched = torch::zeros({1}, torch::requires_grad());
  EXPECT_TRUE(scaler.Unscale({w, untouched}));
  EXPECT_EQ(w.grad().item<float>(), 6);
}

// torch.amp.GradScaler: times 2 after growth_interval good steps in a row, times .5 after a bad
// one, which also starts the count anew.
TEST(GradScalerTest, GrowsAfterGoodStepsAndShrinksAfterABadOne) {
  GradScaler scaler(
      {.init_scale = 16, .growth_factor = 4, .backoff_factor = 0.25, .growth_interval = 2},
      torch::kCPU);
  const auto step = [&](float value) {
    const bool finite = scaler.Unscale({WithGrad(1), WithGrad(value)});
    scaler.Update();
    return finite;
  };
  EXPECT_TRUE(step(1));
  EXPECT_EQ(scaler.scale(), 16);
  EXPECT_FALSE(step(std::numeric_limits<float>::infinity()));
  EXPECT_EQ(scaler.scale(), 4);
  EXPECT_TRUE(step(1));
  EXPECT_EQ(scaler.scale(), 4);
  const StateDict saved = scaler.Save();
  EXPECT_TRUE(step(1));
  EXPECT_EQ(scaler.scale(), 16);
  EXPECT_FALSE(step(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(scaler.scale(), 4);
  // One good step was counted when it was saved.
  scaler.Load(saved, "test");
  EXPECT_TRUE(step(1));
  EXPECT_EQ(scaler.scale(), 16);
}

TEST(GradScalerTest, GivesUpByNameWhenNoStepIsFinite) {
  GradScaler scaler({.init_scale = 1}, torch::kCPU);
  std::string message;
  for (int i = 0; i < 20 && message.empty(); ++i) {
    scaler.Unscale({WithGrad(std::numeric_limits<float>::quiet_NaN())});
    try {
      scaler.Update();
    } catch (const UserError& error) {
      message = error.what();
    }
  }
  EXPECT_NE(message.find("precision=bf16"), std::string::npos) << message;
}

}  // namespace
}  // namespace v2r
