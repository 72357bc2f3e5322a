// torchvision's ResNets: weights by the formula in the reference files, outputs layer by layer.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "models/init.h"
#include "models/plan.h"
#include "models/resnet.h"
#include "tests/golden.h"

namespace v2r {
namespace {

// The fills of the files' metadata, key "formula".
double Hash01(uint32_t i, uint32_t k) {
  uint32_t h = i * 2654435761u + (k * 2246822519u + 374761393u);
  h ^= h >> 15;
  h *= 2246822519u;
  h ^= h >> 13;
  h *= 3266489917u;
  h ^= h >> 16;
  return static_cast<double>(h) / 4294967296.0;
}

double Noise(const std::string& kind, int64_t i, int64_t k) {
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

torch::Tensor Weight(const std::string& kind, const std::string& name, at::IntArrayRef shape,
                     int64_t k) {
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

torch::Tensor Input(const std::string& kind, int64_t size) {
  return Fill({1, 3, size, size}, [&](int64_t i) {
    return kind == "sin" ? 1.5 * std::sin(0.0123 * static_cast<double>(i))
                         : (2 * Hash01(static_cast<uint32_t>(i), 9999) - 1) * 1.7;
  });
}

std::string ArchOf(const std::string& file) {
  for (const auto& arch : EncoderArchNames()) {
    if (file.find(arch) != std::string::npos) return arch;
  }
  throw Error("no known ResNet in the name " + file);
}

// Loads the formula's weights and compares the first values with the file's own.
void LoadFormula(const GoldenCase& c, const std::string& kind, EncoderNetImpl& net) {
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

TEST(ResNetGolden, MatchesTorchvisionLayerByLayer) {
  const torch::NoGradGuard no_grad;
  const Tolerance tolerance{.of_max = 1e-4};
  for (const GoldenCase& c : GoldenCases("A_resnet")) {
    for (const std::string kind : {"sin", "hash"}) {
      SCOPED_TRACE(c.name + " " + kind);
      const std::string out = "out." + kind + ".";
      EncoderSpec spec;
      spec.arch = ArchOf(c.name);
      spec.embedding_dim = c[out + "fc"].size(1);
      spec.pooling = "avg";
      auto net = std::dynamic_pointer_cast<ResNetImpl>(BlankEncoderNet(spec));
      ASSERT_TRUE(net);
      ASSERT_NO_FATAL_FAILURE(LoadFormula(c, kind, *net));
      net->to(TestDevice());
      net->eval();
      const auto small = Input(kind, 64).to(TestDevice());
      const auto check = "check." + kind + ".input_first8";
      EXPECT_TRUE(IsClose(small.flatten().slice(0, 0, 8), c[check], {.absolute = 1e-7}));
      auto x = net->Stem(small);
      EXPECT_TRUE(IsClose(x, c[out + "stem"], tolerance));
      for (int i = 0; i < 4; ++i) {
        x = net->Layer(i, x);
        EXPECT_TRUE(IsClose(x, c[out + "layer" + std::to_string(i + 1)], tolerance))
            << "layer" << i + 1;
      }
      EXPECT_TRUE(IsClose(net->Pool(x), c[out + "pool"], tolerance));
      EXPECT_TRUE(IsClose(net->forward(small), c[out + "fc"], tolerance));
      EXPECT_TRUE(
          IsClose(net->forward(Input(kind, 224).to(TestDevice())), c[out + "fc_224"], tolerance));
      // The folded, fused form that inference runs.
      InferencePlan plan(3, spec.input_size, TestDevice(), torch::kFloat, 16);
      net->Trace(plan);
      EXPECT_TRUE(IsClose(plan.Run(small), c[out + "fc"], tolerance));
    }
  }
}

}  // namespace
}  // namespace v2r
