#include "agents/gae.h"

#include "core/error.h"

namespace v2r {

void ComputeGae(const GaeInput& input, std::span<float> advantages, std::span<float> returns) {
  const auto size = static_cast<size_t>(input.T * input.N);
  V2R_CHECK_EQ(input.rewards.size(), size);
  V2R_CHECK_EQ(input.values.size(), size);
  V2R_CHECK_EQ(input.next_values.size(), size);
  V2R_CHECK_EQ(input.terminated.size(), size);
  V2R_CHECK_EQ(input.truncated.size(), size);
  V2R_CHECK_EQ(advantages.size(), size);
  V2R_CHECK_EQ(returns.size(), size);
  for (int64_t i = 0; i < input.N; ++i) {
    double advantage = 0;
    for (int64_t t = input.T - 1; t >= 0; --t) {
      const auto k = static_cast<size_t>(t * input.N + i);
      const double future = input.terminated[k] ? 0.0 : input.gamma * input.next_values[k];
      const double delta = input.rewards[k] + future - input.values[k];
      const bool done = input.terminated[k] || input.truncated[k];
      advantage = delta + (done ? 0.0 : input.gamma * input.gae_lambda * advantage);
      advantages[k] = static_cast<float>(advantage);
      returns[k] = static_cast<float>(advantage + input.values[k]);
    }
  }
}

}  // namespace v2r
