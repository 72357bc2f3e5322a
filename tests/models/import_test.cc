// ResNet weights from a torchvision-like file.

#include "models/import.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/safetensors.h"
#include "models/init.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

EncoderSpec FullSpec() {
  EncoderSpec spec;
  spec.arch = "resnet18";
  spec.pooling = "avg";
  spec.embedding_dim = 10;
  return spec;
}

class ImportTest : public ::testing::Test {
 protected:
  static EncoderNet Source() {
    static const EncoderNet net = RandomNet(FullSpec(), 1);  // eleven million draws: once
    return net;
  }
  static EncoderNet Target(const EncoderSpec& spec = FullSpec()) {
    EncoderNet net = BlankEncoderNet(spec);
    net->eval();
    return net;
  }
  void Write(const TensorDict& state) { WriteSafetensors(path_, ToStateDict(state), {}); }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "resnet18.safetensors";
};

TEST_F(ImportTest, NamesMapOneToOne) {
  const EncoderNet source = Source(), target = Target();
  Write(ModuleState(*source));
  const auto result = ImportResNet(*target, path_, /*keep_fc=*/true);
  EXPECT_TRUE(result.dropped.empty());
  const auto expected = ModuleState(*source);
  EXPECT_EQ(result.loaded.size(), expected.size());
  for (const auto& [name, tensor] : ModuleState(*target))
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
}

TEST_F(ImportTest, FcMayBeDroppedAndHalfPrecisionIsWidened) {
  auto state = ModuleState(*Source());
  state["fc.weight"] = torch::zeros({1000, 512});
  state["fc.bias"] = torch::zeros({1000});
  state["conv1.weight"] = state["conv1.weight"].to(torch::kHalf);
  state.erase("bn1.num_batches_tracked");
  Write(state);
  const EncoderNet target = Target();
  const auto fc = ModuleState(*target).at("fc.weight").clone();
  EXPECT_EQ(ImportResNet(*target, path_, false).dropped,
            (std::vector<std::string>{"fc.bias", "fc.weight"}));
  const auto loaded = ModuleState(*target);
  EXPECT_TRUE(torch::equal(loaded.at("fc.weight"), fc));
  EXPECT_TRUE(torch::equal(loaded.at("conv1.weight"), state["conv1.weight"].to(torch::kFloat)));
  EXPECT_NE(UserErrorOf([&] { ImportResNet(*target, path_, true); }).find("fc."),
            std::string::npos);
}

TEST_F(ImportTest, StackedPicturesShareTheFirstConvolution) {
  const EncoderNet source = Source();
  Write(ModuleState(*source));
  EncoderSpec spec = FullSpec();
  spec.frame_stack = 2;
  const EncoderNet target = Target(spec);
  ImportResNet(*target, path_, true);
  const auto frames = RandomPictures(3, 64);
  const torch::NoGradGuard no_grad;
  const auto twice = frames.unsqueeze(1).expand({-1, 2, -1, -1, -1});  // the same picture twice
  EXPECT_TRUE(IsClose(target->forward(Preprocess(spec, twice)),
                      source->forward(Preprocess(FullSpec(), frames)), {.of_max = 1e-5}));
}

TEST_F(ImportTest, RefusesWhatDoesNotFit) {
  auto state = ModuleState(*Source());
  state.erase("layer3.0.downsample.0.weight");
  Write(state);
  const EncoderNet target = Target();
  const auto before = ModuleState(*target).at("conv1.weight").clone();
  EXPECT_NE(
      UserErrorOf([&] { ImportResNet(*target, path_, true); }).find("layer3.0.downsample.0.weight"),
      std::string::npos);
  EXPECT_TRUE(torch::equal(ModuleState(*target).at("conv1.weight"), before));
  EXPECT_NE(
      UserErrorOf([&] { ImportResNet(*RandomNet(SmallSpec("conv4")), path_, true); }).find("conv4"),
      std::string::npos);
  EXPECT_NE(UserErrorOf([&] {
              ImportResNet(*RandomNet(SmallSpec("resnet18")), path_, true);
            }).find("encoder.width"),
            std::string::npos);
}

}  // namespace
}  // namespace v2r
