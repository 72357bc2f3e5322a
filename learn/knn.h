// Weighted nearest-neighbour classification on frozen features (Wu et al. 2018; DINO eval_knn.py;
// MoCo's CIFAR notebook).
#pragma once

#include <torch/torch.h>

namespace v2r {

struct KnnResult {
  torch::Tensor scores;  // float [M,classes]: sum of exp(similarity / temperature) over the k
                         // neighbours of that class
  torch::Tensor order;   // int64 [M,classes]: classes by falling score
};

// train [N,D] with labels int64 [N], test [M,D]; rows are expected to have unit length, similarity
// is the dot product. k is cut to N.
KnnResult KnnClassify(const torch::Tensor& train, const torch::Tensor& labels,
                      const torch::Tensor& test, int64_t k, double temperature, int64_t classes);
// Share of rows whose label is among the first `top` classes of `order`, in percent.
double TopAccuracy(const KnnResult& result, const torch::Tensor& labels, int64_t top);

}  // namespace v2r
