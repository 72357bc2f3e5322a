#include "core/torch_rng.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

namespace v2r {

torch::Generator MakeGenerator(Rng& rng) {
  return at::make_generator<at::CPUGeneratorImpl>(rng.NextU64());
}

torch::Tensor RandomNormal(Rng& rng, at::IntArrayRef shape) {
  torch::Tensor tensor = torch::empty(shape, torch::kFloat32);
  float* values = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(rng.Normal());
  return tensor;
}

torch::Tensor RandomUniform(Rng& rng, at::IntArrayRef shape) {
  torch::Tensor tensor = torch::empty(shape, torch::kFloat32);
  float* values = tensor.data_ptr<float>();
  // 24 bits: every value is a float below 1, which a rounded double need not be.
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(rng.NextU32() >> 8) * 0x1.0p-24f;
  }
  return tensor;
}

torch::Tensor RandomPermutation(Rng& rng, int64_t n) {
  const std::vector<int64_t> order = rng.Permutation(n);
  torch::Tensor tensor = torch::empty({n}, torch::kInt64);
  std::copy(order.begin(), order.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

}  // namespace v2r
