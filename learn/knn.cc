#include "learn/knn.h"

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace v2r {

KnnResult KnnClassify(const torch::Tensor& train, const torch::Tensor& labels,
                      const torch::Tensor& test, int64_t k, double temperature, int64_t classes) {
  const torch::NoGradGuard no_grad;
  V2R_CHECK(train.dim() == 2 && test.dim() == 2 && labels.dim() == 1 &&
                labels.size(0) == train.size(0) && k > 0,
            "train [{}], labels [{}], test [{}], k {}", fmt::join(train.sizes(), ", "),
            fmt::join(labels.sizes(), ", "), fmt::join(test.sizes(), ", "), k);
  constexpr int64_t kRows = 1024;  // of the similarity matrix at a time
  std::vector<torch::Tensor> scores;
  for (int64_t begin = 0; begin < test.size(0); begin += kRows) {
    const auto rows = test.slice(0, begin, std::min(begin + kRows, test.size(0)));
    const auto [similarity, index] =
        torch::matmul(rows, train.t())
            .topk(std::min(k, train.size(0)), 1, /*largest=*/true, /*sorted=*/true);
    const auto votes = (similarity / temperature).exp();
    auto sums = torch::zeros({rows.size(0), classes}, votes.options());
    sums.scatter_add_(1, labels.index_select(0, index.flatten()).view_as(index), votes);
    scores.push_back(sums);
  }
  KnnResult result;
  result.scores = torch::cat(scores);
  result.order = result.scores.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
  return result;
}

double TopAccuracy(const KnnResult& result, const torch::Tensor& labels, int64_t top) {
  const auto found = result.order.slice(1, 0, top).eq(labels.unsqueeze(1)).any(1);
  return 100.0 * found.to(torch::kDouble).mean().item<double>();
}

}  // namespace v2r
