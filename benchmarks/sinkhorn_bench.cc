// Sinkhorn of 64 episodes of 100 frames against a demonstration of 100: milliseconds, the best of
// some rounds. benchmarks/sinkhorn_bench.py runs it beside POT.
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "core/device.h"
#include "reward/distance.h"
#include "reward/sinkhorn.h"

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 10;
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  v2r::SetTorchThreads(threads);
  torch::manual_seed(1);
  constexpr int64_t kEpisodes = 64, kFrames = 100, kDims = 64, kIterations = 100;
  const auto walk = [](int64_t count) {
    return torch::randn({count, kFrames, kDims}).cumsum(1) + 5 * torch::randn({count, 1, kDims});
  };
  const auto episodes = walk(kEpisodes), demo = walk(1)[0];
  const auto cost =
      v2r::PairwiseDistance("cosine", episodes.flatten(0, 1), demo).view({kEpisodes, kFrames, -1});
  double fast = 1e9, slow = 1e9;
  const auto time = [](auto call) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return took.count();
  };
  for (int i = 0; i < rounds; ++i) {
    fast = std::min(fast, time([&] { v2r::Sinkhorn(cost, {}, 0.01, kIterations); }));
  }
  slow = std::min(slow, time([&] { v2r::SinkhornLogDomain(cost, {}, 0.01, kIterations); }));
  fmt::print("{{\"sinkhorn_ms\": {:.3f}, \"log_domain_ms\": {:.3f}}}\n", fast * 1e3, slow * 1e3);
  return 0;
}
