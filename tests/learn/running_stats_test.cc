// Running statistics against Gymnasium 1.2.0, and their checkpoints.

#include "learn/running_stats.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "core/error.h"
#include "tests/golden.h"

namespace v2r {
namespace {

std::vector<double> Doubles(const torch::Tensor& t) {
  const auto x = t.cpu().to(torch::kDouble).contiguous();
  return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
}
torch::Tensor AsTensor(const std::vector<double>& v) { return torch::tensor(v, torch::kDouble); }
constexpr Tolerance kStatistic{.relative = 1e-12, .absolute = 1e-12};

TEST(RunningNormGolden, BatchesOfRows) {
  for (const GoldenCase& c : GoldenCases("C4_running_norm")) {
    SCOPED_TRACE(c.name);
    const auto batches = c["in.batch_rms.x"];
    RunningMeanStd stats(batches.size(2), c.hyper().at("rms_count0"));
    for (int64_t i = 0; i < batches.size(0); ++i) {
      stats.Update(std::span<const double>(Doubles(batches[i])));
      EXPECT_TRUE(IsClose(AsTensor(stats.mean()), c["out.batch_rms.mean"][i], kStatistic)) << i;
      EXPECT_TRUE(IsClose(AsTensor(stats.var()), c["out.batch_rms.var"][i], kStatistic)) << i;
    }
    EXPECT_NEAR(stats.count(), c.scalar("out.batch_rms.count"), 1e-9);
  }
}

TEST(RunningNormGolden, Observations) {
  for (const GoldenCase& c : GoldenCases("C4_running_norm")) {
    SCOPED_TRACE(c.name);
    const auto stream = c["in.obs_stream"];
    const auto is_step = c["in.is_step"].cpu();
    RunningMeanStd stats(stream.size(1), c.hyper().at("rms_count0"));
    int64_t step = 0;
    for (int64_t i = 0; i < stream.size(0); ++i) {
      const auto row = Doubles(stream[i]);
      stats.Update(std::span<const double>(row));
      for (const double clip : {0.0, 10.0}) {
        const std::vector<float> x(row.begin(), row.end());
        std::vector<float> out(row.size());
        stats.Normalize(x, out, c.hyper().at("epsilon"), clip);
        const auto expected = c[clip > 0 ? "out.norm_obs_clip10" : "out.norm_obs"][i];
        EXPECT_TRUE(IsClose(torch::tensor(out), expected, {.relative = 1e-5, .absolute = 1e-5}))
            << i << " " << clip;
      }
      if (is_step[i].item<int64_t>() == 0) continue;
      EXPECT_TRUE(IsClose(AsTensor(stats.mean()), c["out.obs_rms_mean"][step], kStatistic)) << i;
      // The reference starts from float32 ones times 1e-4, a 2.5e-12 that stays in the sum of
      // squares.
      EXPECT_TRUE(IsClose(AsTensor(stats.var()), c["out.obs_rms_var"][step],
                          {.relative = 1e-12, .absolute = 3e-12}))
          << i;
      ++step;
    }
    EXPECT_NEAR(stats.count(), c.scalar("out.obs_rms_count"), 1e-9);
  }
}

TEST(RunningNormGolden, Rewards) {
  for (const GoldenCase& c : GoldenCases("C4_running_norm")) {
    SCOPED_TRACE(c.name);
    const double gamma = c.hyper().at("gamma"), epsilon = c.hyper().at("epsilon");
    RewardNormalizer plain(1, gamma, epsilon), clipped(1, gamma, epsilon, 10);
    const auto rewards = Doubles(c["in.reward_stream"]);
    const auto is_step = Doubles(c["in.is_step"]), terminated = Doubles(c["in.terminated_stream"]);
    int64_t step = 0;
    for (size_t i = 0; i < rewards.size(); ++i) {
      if (is_step[i] == 0) continue;
      const uint8_t done = terminated[i] != 0;
      double a = 0, b = 0;
      plain.Step(std::span<const double>(&rewards[i], 1), {&done, 1}, std::span<double>(&a, 1));
      clipped.Step(std::span<const double>(&rewards[i], 1), {&done, 1}, std::span<double>(&b, 1));
      EXPECT_TRUE(IsClose(a, c["out.norm_reward"].cpu()[step].item<double>(),
                          {.relative = 1e-9, .absolute = 1e-12}));
      EXPECT_TRUE(IsClose(b, c["out.norm_reward_clip10"].cpu()[step].item<double>(),
                          {.relative = 1e-9, .absolute = 1e-12}));
      EXPECT_NEAR(plain.stats().mean()[0], c["out.return_rms_mean"].cpu()[step].item<double>(),
                  1e-12);
      EXPECT_NEAR(plain.stats().var()[0], c["out.return_rms_var"].cpu()[step].item<double>(),
                  1e-11);
      ++step;
    }
    EXPECT_EQ(step, c["out.norm_reward"].size(0));
  }
}

TEST(RunningMeanStd, BatchesInAnyCutGiveTheSame) {
  std::vector<float> values(60);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)) * 5 + 2);
  RunningMeanStd whole(3), pieces(3);
  whole.Update(std::span<const float>(values));
  pieces.Update(std::span<const float>(values).subspan(0, 9));
  pieces.Update(std::span<const float>(values).subspan(9, 0));
  pieces.Update(std::span<const float>(values).subspan(9));
  EXPECT_TRUE(IsClose(AsTensor(pieces.mean()), AsTensor(whole.mean()), {.absolute = 1e-12}));
  EXPECT_TRUE(IsClose(AsTensor(pieces.var()), AsTensor(whole.var()), {.absolute = 1e-12}));
  EXPECT_THROW(whole.Update(std::span<const float>(values).subspan(0, 4)), Error);
}

TEST(RunningMeanStd, SaveAndLoad) {
  RunningMeanStd stats(2), other(2), wrong(3);
  const std::vector<double> batch = {1, 2, 3, 5, 8, 13};
  stats.Update(std::span<const double>(batch));
  other.Load(stats.Save(), "checkpoint");
  EXPECT_EQ(other.mean(), stats.mean());
  EXPECT_EQ(other.var(), stats.var());
  EXPECT_EQ(other.count(), stats.count());
  EXPECT_THROW(wrong.Load(stats.Save(), "checkpoint"), UserError);
  auto state = stats.Save();
  state.erase("var");
  EXPECT_THROW(other.Load(state, "checkpoint"), UserError);
}

TEST(RewardNormalizer, SaveAndLoadContinueTheSameNumbers) {
  RewardNormalizer a(2, 0.97, 1e-8, 10), b(2, 0.97, 1e-8, 10);
  const std::vector<uint8_t> flags = {0, 1};
  std::vector<float> out(2), resumed(2);
  for (int i = 0; i < 5; ++i) {
    const std::vector<float> rewards = {static_cast<float>(i), -1.5f};
    a.Step(rewards, flags, std::span<float>(out));
  }
  b.Load(a.Save(), "checkpoint");
  EXPECT_EQ(a.Scale(), b.Scale());
  const std::vector<float> last = {2.5f, 1};
  a.Step(last, flags, std::span<float>(out));
  b.Step(last, flags, std::span<float>(resumed));
  EXPECT_EQ(out, resumed);
}

}  // namespace
}  // namespace v2r
