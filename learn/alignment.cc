#include "learn/alignment.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "learn/measures.h"

namespace v2r {
namespace {

torch::Tensor Strided(const torch::Tensor& video, int64_t stride) {
  V2R_CHECK(video.dim() == 2 && stride > 0, "video [{}], stride {}", fmt::join(video.sizes(), ", "),
            stride);
  return video.detach()
      .to(torch::kCPU, torch::kDouble)
      .slice(0, 0, video.size(0), stride)
      .contiguous();
}

std::vector<torch::Tensor> StridedAll(const std::vector<torch::Tensor>& videos, int64_t stride) {
  std::vector<torch::Tensor> out;
  for (const auto& video : videos) out.push_back(Strided(video, stride));
  return out;
}

using Videos = std::vector<const torch::Tensor*>;

// The frame of walk[0] in which a walk from each of its frames along nearest neighbours, walk[0] ->
// walk[1] -> ... -> walk[0], ends.
torch::Tensor WalkBack(const Videos& walk, const std::string& distance) {
  torch::Tensor at;
  for (size_t i = 0; i < walk.size(); ++i) {
    const auto next = NearestNeighbours(*walk[i], *walk[(i + 1) % walk.size()], distance);
    at = i == 0 ? next : next.index_select(0, at);
  }
  return at;
}

// bool [T]: the walks that ended where they began.
torch::Tensor CameBack(const torch::Tensor& ends, int64_t stride, int64_t tolerance,
                       bool as_released) {
  const auto start = torch::arange(ends.size(0)) * (as_released ? stride : 1);
  return (ends - start).abs().le(tolerance);
}

double Share(const torch::Tensor& flags) { return flags.to(torch::kDouble).mean().item<double>(); }

}  // namespace

torch::Tensor NearestNeighbours(const torch::Tensor& a, const torch::Tensor& b,
                                const std::string& distance) {
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

double AlignmentTau(const std::vector<torch::Tensor>& videos, int64_t stride,
                    const std::string& distance) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < strided.size(); ++i) {
    for (size_t j = 0; j < strided.size(); ++j) {
      if (i == j) continue;
      const auto found =
          NearestNeighbours(strided[i], strided[j], distance).to(torch::kDouble).contiguous();
      const auto time = torch::arange(found.size(0), torch::kDouble);
      const auto n = static_cast<size_t>(found.size(0));
      const double tau =
          KendallTau({time.const_data_ptr<double>(), n}, {found.const_data_ptr<double>(), n});
      if (std::isnan(tau)) continue;
      sum += tau;
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

double TwoWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride,
                              const std::string& distance, int64_t tolerance, bool as_released) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t pairs = 0;
  for (const auto& a : strided) {
    for (const auto& b : strided) {
      if (&a == &b) continue;
      sum += Share(CameBack(WalkBack({&a, &b}, distance), stride, tolerance, as_released));
      ++pairs;
    }
  }
  return pairs == 0 ? 0 : sum / static_cast<double>(pairs);
}

double ThreeWayCycleConsistency(const std::vector<torch::Tensor>& videos, int64_t stride,
                                const std::string& distance, int64_t tolerance, bool as_released) {
  const auto strided = StridedAll(videos, stride);
  double sum = 0;
  int64_t triples = 0;
  for (const auto& a : strided) {
    for (const auto& b : strided) {
      for (const auto& c : strided) {
        if (&a == &b || &b == &c || &a == &c) continue;
        const auto forward =
            CameBack(WalkBack({&a, &b, &c}, distance), stride, tolerance, as_released);
        const auto backward =
            CameBack(WalkBack({&a, &c, &b}, distance), stride, tolerance, as_released);
        sum += Share(forward.logical_and(backward));
        ++triples;
      }
    }
  }
  return triples == 0 ? 0 : sum / static_cast<double>(triples);
}

}  // namespace v2r
