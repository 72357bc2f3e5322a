// Generalised advantage estimation with an exact time-limit bootstrap.
// Source: Schulman et al. 2016 (arXiv:1506.02438), eq. 16.
#pragma once

#include <cstdint>
#include <span>

namespace v2r {

// T steps of N environments, row-major [T,N].
struct GaeInput {
  int64_t T = 0, N = 0;
  std::span<const float> rewards;  // r_t
  std::span<const float> values;   // V(s_t)
  std::span<const float>
      next_values;  // V(s_{t+1}), s_{t+1} taken before any reset; ignored where terminated
  std::span<const uint8_t> terminated;  // 0/1: s_{t+1} has no future
  std::span<const uint8_t> truncated;   // 0/1: the episode was cut at s_{t+1}, its value counts
  double gamma = 0.99;
  double gae_lambda = 0.95;
};

//   delta_t = r_t + gamma V(s_{t+1}) (1 - terminated_t) - V(s_t)
//   A_t     = delta_t + gamma lambda (1 - done_t) A_{t+1},  done = terminated or truncated
//   R_t     = A_t + V(s_t)
// Writes `advantages` and `returns`, both [T,N].
void ComputeGae(const GaeInput& input, std::span<float> advantages, std::span<float> returns);

}  // namespace v2r
