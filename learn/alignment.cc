#include "learn/alignment.h"

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "learn/measures.h"

namespace v2r {
namespace {

torch::Tensor Strided(const torch::Tensor& video, int64_t stride) {
  V2R_CHECK(video.dim() == 2 && stride > 0, "video [{}], stride {}", fmt::join(video.sizes(), ", "), stride);
  return video.detach().to(torch::kCPU, torch::kDouble).slice(0, 0, video.size(0), stride).contiguous();
}

std::vector<torch::Tensor> StridedAll(const std::vector<torch::Tensor>& videos, int64_t stride) {
  std::vector<torch::Tensor> out;
  for (const auto& video : videos) out.push_back(Strided(video, stride));
  return out;
}

// Counts the frames of the first video that come back after a walk along nearest neighbours.
struct CycleCount {
  int64_t good = 0, all = 0;
  void Add(const torch::Tensor& back, int64_t stride, int64_t tolerance, bool as_released) {
    const auto* index = back.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < back.size(0); ++i) {
      good += std::llabs(index[i] - (as_released ? i * stride : i)) <= tolerance;
    }
    all += back.size(0);
  }
  double Share() const { return all == 0 ? 0 : static_cast<double>(good) / static_cast<double>(all); }
};

}  // namespace

torch::Tensor NearestNeighbours(const torch::Tensor& a, const torch::Tensor& b, const std::string& distance) {
  const torch::NoGradGuard no_grad;
  const auto x = Strided(a, 1), y = Strided(b, 1);
  torch::Tensor distances;
  if (distance == "sqeuclidean") {
    distances = (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2);
  } else if (distance == "cosine") {
    const auto lengths = x.norm(2, 1).unsqueeze(1) * y.norm(2, 1).unsqueeze(0);
    distances = 1 - torch::matmul(x, y.t()) / lengths;
  } else {
    ThrowUser("unknown distance '{}' (known: sqeuclidean, cosine)", distance);
  }
  auto result = torch::empty({x.size(0)}, torch::kLong);
  for (int64_t i = 0; i < x.size(0); ++i) {
    const double* row = distances.const_data_ptr<double>() + i * y.size(0);
    result.data_ptr<int64_t>()[i] = std::min_element(row, row + y.size(0)) - row;
  }
  return result;
}

double AlignmentTau(const std::vector<torch::Tensor>& videos, int64_t stride, const std::string& distance) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < strided.size(); ++i) {
    for (size_t j = 0; j < strided.size(); ++j) {
      if (i == j) continue;
      const auto found = NearestNeighbours(strided[i], strided[j], distance).to(torch::kDouble).contiguous();
      const auto time = torch::arange(found.size(0), torch::kDouble);
      const auto n = static_cast<size_t>(found.size(0));
      const double tau = KendallTau({time.const_data_ptr<double>(), n}, {found.const_data_ptr<double>(), n});
      if (std::isnan(tau)) continue;
      sum += tau;
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

double TwoWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride, const std::string& distance,
                              int64_t tolerance, bool as_released) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t pairs = 0;
  for (size_t i = 0; i < strided.size(); ++i) {
    for (size_t j = 0; j < strided.size(); ++j) {
      if (i == j) continue;
      const auto there = NearestNeighbours(strided[i], strided[j], distance);
      const auto back = NearestNeighbours(strided[j], strided[i], distance).index_select(0, there);
      CycleCount count;
      count.Add(back, stride, tolerance, as_released);
      sum += count.Share();
      ++pairs;
    }
  }
  return pairs == 0 ? 0 : sum / static_cast<double>(pairs);
}

double ThreeWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride, const std::string& distance,
                                int64_t tolerance, bool as_released) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t triples = 0;
  for (size_t i = 0; i < strided.size(); ++i) {
    for (size_t j = 0; j < strided.size(); ++j) {
      for (size_t k = 0; k < strided.size(); ++k) {
        if (i == j || j == k || i == k) continue;
        auto at = NearestNeighbours(strided[i], strided[j], distance);
        at = NearestNeighbours(strided[j], strided[k], distance).index_select(0, at);
        at = NearestNeighbours(strided[k], strided[i], distance).index_select(0, at);
        CycleCount count;
        count.Add(at, stride, tolerance, as_released);
        sum += count.Share();
        ++triples;
      }
    }
  }
  return triples == 0 ? 0 : sum / static_cast<double>(triples);
}

}  // namespace v2r
