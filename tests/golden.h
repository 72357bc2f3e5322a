// Reference cases as tensors, and the one way in which tests compare tensors.
//   for (const GoldenCase& c : GoldenCases("05_simclr_ntxent")) {
//     SCOPED_TRACE(c.name);
//     EXPECT_TRUE(IsClose(NtXent(...), c["out.loss"], {.relative = 1e-6}));
//   }
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/safetensors.h"
#include "core/tensor_file.h"
#include "tests/golden_files.h"

namespace v2r {

// $V2R_TEST_DEVICE, default "cpu".
inline torch::Device TestDevice() {
  const char* name = std::getenv("V2R_TEST_DEVICE");
  return ResolveDevice(name == nullptr || *name == '\0' ? "cpu" : name);
}

// The factor on every tolerance: the environment's, times ten off the CPU.
inline double ToleranceScale() {
  return EnvToleranceScale() * (TestDevice().is_cpu() ? 1.0 : 10.0);
}

struct GoldenCase {
  std::string name;  // file name without extension
  TensorDict tensors;
  std::map<std::string, std::string> metadata;

  bool has(const std::string& key) const { return tensors.contains(key); }
  // The tensor as stored, on the test device (float64 stays on the CPU's precision).
  torch::Tensor operator[](const std::string& key) const {
    const auto it = tensors.find(key);
    V2R_CHECK(it != tensors.end(), "{} has no tensor {}", name, key);
    return it->second.to(TestDevice());
  }
  double scalar(const std::string& key) const {
    return (*this)[key].to(torch::kCPU, torch::kDouble).item<double>();
  }
  const std::string& meta(const std::string& key) const {
    const auto it = metadata.find(key);
    V2R_CHECK(it != metadata.end(), "{} has no metadata {}", name, key);
    return it->second;
  }
  nlohmann::json hyper() const { return nlohmann::json::parse(meta("hyper")); }
  // Names that start with `prefix`, the prefix taken off.
  TensorDict Under(const std::string& prefix) const {
    TensorDict found;
    for (const auto& [key, value] : tensors) {
      if (key.starts_with(prefix)) found[key.substr(prefix.size())] = value.to(TestDevice());
    }
    return found;
  }
};

inline GoldenCase LoadGolden(const std::filesystem::path& path) {
  SafetensorsFile file = ReadSafetensors(path);
  return {path.stem().string(), ToTensors(file.tensors), std::move(file.metadata)};
}

// All cases of the ssl set whose file name starts with `prefix`; Error when there is none.
inline std::vector<GoldenCase> GoldenCases(const std::string& prefix) {
  std::vector<GoldenCase> cases;
  for (const auto& path : GoldenFiles("ssl", prefix)) cases.push_back(LoadGolden(path));
  return cases;
}

struct Tolerance {
  double relative = 0;  // of |expected|, with a floor of 1e-6 of the tensor's maximum
  double absolute = 0;
  double of_max = 0;  // of the maximum of |expected| over the tensor
};

// Equal shapes, and |actual - expected| <= scale * (absolute + relative |expected| + of_max
// max|expected|) everywhere. Infinities and NaN must stand at the same places.
inline ::testing::AssertionResult IsClose(const torch::Tensor& actual,
                                          const torch::Tensor& expected,
                                          const Tolerance& tolerance) {
  const torch::NoGradGuard no_grad;
  if (!actual.sizes().equals(expected.sizes())) {
    return ::testing::AssertionFailure()
           << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (expected.numel() == 0) return ::testing::AssertionSuccess();
  const auto x = actual.detach().to(torch::kCPU, torch::kDouble).contiguous();
  const auto y = expected.detach().to(torch::kCPU, torch::kDouble).contiguous();
  const auto finite = y.isfinite();
  const auto same_special = torch::where(y.isnan(), x.isnan(), x == y).logical_or(finite);
  if (!same_special.all().item<bool>()) {
    return ::testing::AssertionFailure() << "infinities or NaN differ";
  }
  const auto magnitude = torch::where(finite, y.abs(), torch::zeros_like(y));
  const double largest = magnitude.max().item<double>();
  const auto allowed = (tolerance.relative * magnitude.clamp_min(1e-6 * largest) +
                        tolerance.absolute + tolerance.of_max * largest) *
                       ToleranceScale();
  const auto error = torch::where(finite, (x - y).abs(), torch::zeros_like(y));
  const auto good = error.le(allowed);  // false for NaN
  if (good.all().item<bool>()) return ::testing::AssertionSuccess();
  const auto excess =
      torch::where(good, torch::full_like(error, -1.0), torch::nan_to_num(error - allowed, 1e300));
  const int64_t worst = excess.argmax().item<int64_t>();
  return ::testing::AssertionFailure()
         << good.logical_not().sum().item<int64_t>() << " of " << y.numel()
         << " differ; worst at flat index " << worst << ": " << x.flatten()[worst].item<double>()
         << ", expected " << y.flatten()[worst].item<double>() << " +- "
         << allowed.flatten()[worst].item<double>();
}

inline ::testing::AssertionResult IsClose(double actual, double expected,
                                          const Tolerance& tolerance) {
  return IsClose(torch::tensor(actual, torch::kDouble), torch::tensor(expected, torch::kDouble),
                 tolerance);
}

}  // namespace v2r
