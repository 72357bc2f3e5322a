#include "reward/medoids.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace v2r {

std::vector<int64_t> Medoids(const torch::Tensor& d, int64_t k) {
  V2R_CHECK(d.dim() == 2 && d.size(0) == d.size(1) && d.size(0) > 0 && k > 0);
  const auto distances = d.to(torch::kCPU, torch::kDouble).contiguous();
  const auto at = distances.accessor<double, 2>();
  const int64_t rows = d.size(0);
  std::vector<int64_t> chosen;
  // Summed distance to the nearest of `chosen` with place `out` (-1: none) taken by `in`.
  const auto cost = [&](int64_t out, int64_t in) {
    double sum = 0;
    for (int64_t i = 0; i < rows; ++i) {
      double nearest = at[i][in];
      for (size_t c = 0; c < chosen.size(); ++c) {
        if (static_cast<int64_t>(c) != out) nearest = std::min(nearest, at[i][chosen[c]]);
      }
      sum += nearest;
    }
    return sum;
  };
  const auto is_chosen = [&](int64_t row) {
    return std::find(chosen.begin(), chosen.end(), row) != chosen.end();
  };
  double best = std::numeric_limits<double>::infinity();
  while (static_cast<int64_t>(chosen.size()) < std::min(k, rows)) {
    int64_t next = -1;
    best = std::numeric_limits<double>::infinity();
    for (int64_t row = 0; row < rows; ++row) {
      if (is_chosen(row)) continue;
      const double sum = cost(-1, row);
      if (sum < best) {
        best = sum;
        next = row;
      }
    }
    V2R_CHECK(next >= 0, "distances are not finite");
    chosen.push_back(next);
  }
  while (true) {
    int64_t out = -1, in = -1;
    double lowest = best * (1 - 1e-12);
    for (int64_t c = 0; c < static_cast<int64_t>(chosen.size()); ++c) {
      for (int64_t row = 0; row < rows; ++row) {
        if (is_chosen(row)) continue;
        const double sum = cost(c, row);
        if (sum >= lowest) continue;
        lowest = sum;
        out = c;
        in = row;
      }
    }
    if (out < 0) break;
    chosen[out] = in;
    best = lowest;
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace v2r
