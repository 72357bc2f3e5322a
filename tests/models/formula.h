// Networks whose weights come from a formula, so that reference files need not hold them.
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "models/encoder.h"
#include "tests/golden.h"

namespace v2r {

// The fills of the files' metadata, key "formula".
inline double Hash01(uint32_t i, uint32_t k) {
  uint32_t h = i * 2654435761u + (k * 2246822519u + 374761393u);
  h ^= h >> 15;
  h *= 2246822519u;
  h ^= h >> 13;
  h *= 3266489917u;
  h ^= h >> 16;
  return static_cast<double>(h) / 4294967296.0;
}

inline double Noise(const std::string& kind, int64_t i, int64_t k) {
  if (kind == "sin") return std::sin(0.37 * static_cast<double>(i) + 0.11 * static_cast<double>(k));
  return (2 * Hash01(static_cast<uint32_t>(i), static_cast<uint32_t>(k)) - 1) * std::sqrt(1.5);
}

template <typename F>
torch::Tensor Fill(at::IntArrayRef shape, F value) {
  auto tensor = torch::empty(shape, torch::kFloat);
  float* data = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = static_cast<float>(value(i));
  return tensor;
}

inline torch::Tensor Weight(const std::string& kind, const std::string& name, at::IntArrayRef shape,
                            int64_t k) {
  if (name == "cls_token" || name == "pos_embed") {
    return Fill(shape, [&](int64_t i) { return 0.2 * Noise(kind, i, k); });
  }
  if (shape.size() > 1) {
    int64_t fan_in = 1;
    for (size_t d = 1; d < shape.size(); ++d) fan_in *= shape[d];
    const double scale = std::sqrt(2.0 / static_cast<double>(fan_in));
    return Fill(shape, [&](int64_t i) { return Noise(kind, i, k) * scale; });
  }
  if (name.ends_with("running_var")) {
    return Fill(shape,
                [](int64_t i) { return 1 + 0.1 * std::cos(double(i)) * std::cos(double(i)); });
  }
  if (name.ends_with("running_mean"))
    return Fill(shape, [](int64_t i) { return 0.1 * std::sin(double(i)); });
  if (name.ends_with("bias"))
    return Fill(shape, [](int64_t i) { return 0.1 * std::cos(double(i)); });
  return Fill(shape, [](int64_t i) { return 1 + 0.1 * std::sin(double(i)); });
}

inline torch::Tensor Input(const std::string& kind, int64_t size) {
  return Fill({1, 3, size, size}, [&](int64_t i) {
    return kind == "sin" ? 1.5 * std::sin(0.0123 * static_cast<double>(i))
                         : (2 * Hash01(static_cast<uint32_t>(i), 9999) - 1) * 1.7;
  });
}

// Loads the formula's weights and compares the first values with the file's own.
inline void LoadFormula(const GoldenCase& c, const std::string& kind, EncoderNetImpl& net) {
  const auto order = nlohmann::json::parse(c.meta("order"));
  TensorDict state = ModuleState(net);
  ASSERT_EQ(order.size(), state.size());
  for (size_t k = 0; k < order.size(); ++k) {
    const auto name = order[k].get<std::string>();
    ASSERT_TRUE(state.contains(name)) << name;
    if (!name.ends_with("num_batches_tracked")) {
      state[name] = Weight(kind, name, state[name].sizes(), static_cast<int64_t>(k));
    }
    const auto check = "check." + kind + "." + std::to_string(k) + ".first8";
    if (c.has(check)) {
      EXPECT_TRUE(IsClose(state[name].flatten().slice(0, 0, 8), c[check].cpu(), {.absolute = 1e-7}))
          << check;
    }
  }
  LoadModuleState(net, state, c.name);
}

}  // namespace v2r
