#include "agents/gae.h"

#include "tests/golden.h"

namespace v2r {
namespace {

struct Case {
  int64_t T = 0, N = 0;
  std::vector<float> rewards, values, next_values;
  std::vector<uint8_t> terminated, truncated;
  double gamma = 0.99, gae_lambda = 0.95;
};

std::pair<std::vector<float>, std::vector<float>> Advantages(const Case& c) {
  std::vector<float> advantages(c.rewards.size()), returns(c.rewards.size());
  ComputeGae({.T = c.T,
              .N = c.N,
              .rewards = c.rewards,
              .values = c.values,
              .next_values = c.next_values,
              .terminated = c.terminated,
              .truncated = c.truncated,
              .gamma = c.gamma,
              .gae_lambda = c.gae_lambda},
             advantages, returns);
  return {advantages, returns};
}

template <typename T>
std::vector<T> List(const torch::Tensor& tensor) {
  const auto flat = tensor.to(torch::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  return {flat.template data_ptr<T>(), flat.template data_ptr<T>() + flat.numel()};
}

torch::Tensor Table(const std::vector<float>& values, int64_t T) {
  return torch::tensor(values).view({T, -1});
}

TEST(GaeGolden, MatchesCleanRlAndStableBaselines) {
  for (const GoldenCase& c : GoldenCases("C1_gae")) {
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    const int64_t T = hyper["T"], N = hyper["N"];
    const auto values = c["in.values"];
    const auto last = c["in.next_value"].view({1, N});
    const auto following = torch::cat({values.narrow(0, 1, T - 1), last});
    Case input{.T = T,
               .N = N,
               .rewards = List<float>(c["in.rewards"]),
               .values = List<float>(values),
               .next_values = List<float>(following),
               .gamma = hyper["gamma"],
               .gae_lambda = hyper["gae_lambda"]};

    // CleanRL's: every end of an episode is a termination.
    const auto dones =
        torch::cat({c["in.dones"].narrow(0, 1, T - 1), c["in.next_done"].view({1, N})});
    input.terminated = List<uint8_t>(dones);
    input.truncated.assign(input.terminated.size(), 0);
    auto [advantages, returns] = Advantages(input);
    EXPECT_TRUE(IsClose(Table(advantages, T), c["out.cleanrl.advantages"].cpu(),
                        {.relative = 1e-6, .absolute = 1e-6}));
    EXPECT_TRUE(IsClose(Table(returns, T), c["out.cleanrl.returns"].cpu(),
                        {.relative = 1e-6, .absolute = 1e-6}));

    // Stable-Baselines3's: the value of the last observation is added where time ran out.
    const auto cut = c["in.truncated"] > 0;
    input.terminated = List<uint8_t>(c["in.terminated"]);
    input.truncated = List<uint8_t>(c["in.truncated"]);
    input.next_values = List<float>(torch::where(cut, c["in.terminal_values"], following));
    std::tie(advantages, returns) = Advantages(input);
    EXPECT_TRUE(IsClose(Table(advantages, T), c["out.sb3.advantages"].cpu(),
                        {.relative = 1e-6, .absolute = 1e-6}));
    EXPECT_TRUE(IsClose(Table(returns, T), c["out.sb3.returns"].cpu(),
                        {.relative = 1e-6, .absolute = 1e-6}));
  }
}

// Four steps, truncated after the second, terminated after the fourth; worked out by hand with
// gamma 1/2, lambda 1/2.
TEST(Gae, TruncationKeepsTheValueTerminationDropsIt) {
  const Case input{.T = 4,
                   .N = 1,
                   .rewards = {1, 2, 3, 4},
                   .values = {1, 1, 2, 2},
                   .next_values = {1, 10, 2, 100},
                   .terminated = {0, 0, 0, 1},
                   .truncated = {0, 1, 0, 0},
                   .gamma = 0.5,
                   .gae_lambda = 0.5};
  const auto [advantages, returns] = Advantages(input);
  // delta: 1 + .5*1 - 1 = .5;  2 + .5*10 - 1 = 6;  3 + .5*2 - 2 = 2;  4 - 2 = 2.
  EXPECT_FLOAT_EQ(advantages[3], 2.0f);
  EXPECT_FLOAT_EQ(advantages[2], 2.5f);
  EXPECT_FLOAT_EQ(advantages[1], 6.0f);
  EXPECT_FLOAT_EQ(advantages[0], 2.0f);
  EXPECT_FLOAT_EQ(returns[0], 3.0f);
  EXPECT_FLOAT_EQ(returns[3], 4.0f);
}

TEST(Gae, EnvironmentsDoNotMix) {
  Case both{.T = 2,
            .N = 2,
            .rewards = {1, 5, 2, 6},
            .values = {0.1f, 0.5f, 0.2f, 0.6f},
            .next_values = {0.2f, 0.6f, 0.3f, 0.7f},
            .terminated = {0, 1, 0, 0},
            .truncated = {0, 0, 0, 1}};
  const Case second{.T = 2,
                    .N = 1,
                    .rewards = {5, 6},
                    .values = {0.5f, 0.6f},
                    .next_values = {0.6f, 0.7f},
                    .terminated = {1, 0},
                    .truncated = {0, 1}};
  const auto [advantages, returns] = Advantages(both);
  const auto [alone, alone_returns] = Advantages(second);
  EXPECT_EQ(advantages[1], alone[0]);
  EXPECT_EQ(advantages[3], alone[1]);
  EXPECT_EQ(returns[1], alone_returns[0]);
}

}  // namespace
}  // namespace v2r
