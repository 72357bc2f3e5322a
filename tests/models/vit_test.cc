// What no reference file shows of the vision transformers: fresh weights, drop path, background,
// the encoder file.

#include "models/vit.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

Vit MakeTestVit(EncoderSpec spec, uint64_t seed = 1) {
  Rng rng(seed);
  return std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(spec, rng));
}

EncoderSpec MicroSpec() {
  EncoderSpec spec;
  spec.arch = "vit_micro";
  spec.embedding_dim = 12;
  spec.input_size = 32;
  spec.pooling = "cls";
  return spec;
}

double Std(const torch::Tensor& x) { return x.std().item<double>(); }
double Max(const torch::Tensor& x) { return x.abs().max().item<double>(); }

TEST(Vit, FreshWeightsAsTheReferencesDrawThem) {
  EncoderSpec spec = MicroSpec();
  auto dino = ModuleState(*MakeTestVit(spec));
  EXPECT_NEAR(Std(dino.at("blocks.1.attn.qkv.weight")), 0.02, 1e-3);
  EXPECT_NEAR(Std(dino.at("pos_embed")), 0.02, 2e-3);
  EXPECT_NEAR(Std(dino.at("cls_token")), 0.02, 6e-3);
  EXPECT_NEAR(Max(dino.at("patch_embed.proj.weight")), 1 / std::sqrt(192.0), 1e-4);
  EXPECT_GT(Max(dino.at("patch_embed.proj.bias")), 0);
  EXPECT_EQ(Max(dino.at("blocks.0.mlp.fc1.bias")), 0);
  EXPECT_EQ(Max(dino.at("norm.weight") - 1), 0);
  spec.positions = "sincos";
  auto mae = ModuleState(*MakeTestVit(spec));
  EXPECT_NEAR(Max(mae.at("blocks.0.attn.qkv.weight")), std::sqrt(6.0 / (128 + 384)), 1e-4);
  EXPECT_NEAR(Max(mae.at("patch_embed.proj.weight")), std::sqrt(6.0 / (192 + 128)), 1e-4);
  EXPECT_NEAR(Std(mae.at("cls_token")), 0.02, 6e-3);
  spec.positions = "sincos_mocov3";
  auto moco = ModuleState(*MakeTestVit(spec));
  EXPECT_NEAR(Max(moco.at("blocks.0.attn.qkv.weight")), std::sqrt(6.0 / (128 + 128)), 1e-4);
  EXPECT_NEAR(Max(moco.at("blocks.0.mlp.fc2.weight")), std::sqrt(6.0 / (128 + 512)), 1e-4);
  EXPECT_NEAR(Max(moco.at("patch_embed.proj.weight")), std::sqrt(6.0 / (192 + 128)), 1e-4);
  EXPECT_EQ(Max(moco.at("patch_embed.proj.bias")), 0);
  EXPECT_LT(Max(moco.at("cls_token")), 1e-5);
  EXPECT_GT(Max(mae.at("pos_embed") - moco.at("pos_embed")), 0.1);
}

TEST(Vit, SizesOfThePapers) {
  const auto millions = [](const std::string& arch, int64_t patch) {
    EncoderSpec spec;
    spec.arch = arch;
    spec.input_size = 224;
    spec.patch_size = patch;
    spec.embedding_dim = 0;
    spec.pooling = "cls";
    int64_t count = 0;
    for (const auto& p : VitImpl(spec, VitShapeOf(spec)).parameters()) count += p.numel();
    return static_cast<double>(count) / 1e6;
  };
  EXPECT_NEAR(millions("vit_tiny", 16), 5.5, 0.05);
  EXPECT_NEAR(millions("vit_small", 16), 21.7, 0.05);
  EXPECT_NEAR(millions("vit_small", 8), 21.7, 0.1);
  EXPECT_NEAR(millions("vit_base", 16), 85.8, 0.05);
  EncoderSpec large;
  large.arch = "vit_large";
  const VitShape shape = VitShapeOf(large);
  EXPECT_EQ(shape.dim, 1024);
  EXPECT_EQ(shape.depth, 24);
  EXPECT_EQ(shape.heads, 16);
}

TEST(Vit, DropPathInTrainingAloneAndContinuable) {
  EncoderSpec spec = MicroSpec();
  spec.drop_path = 0.5;
  const auto net = MakeTestVit(spec);
  const torch::NoGradGuard no_grad;
  const auto x = Preprocess(spec, RandomPictures(6, 32));
  net->eval();
  const auto whole = net->forward(x);
  EXPECT_TRUE(torch::equal(net->forward(x), whole));
  net->train();
  TensorDict before;
  for (const auto& [name, value] : ModuleState(*net)) before[name] = value.clone();
  const auto first = net->forward(x), second = net->forward(x);
  EXPECT_FALSE(torch::equal(first, second));
  LoadModuleState(*net, before, "state");
  EXPECT_TRUE(torch::equal(net->forward(x), first));
  EXPECT_TRUE(torch::equal(net->forward(x), second));
  // Per sample: of equal pictures some lose a branch that others keep.
  const auto same = net->forward(x.slice(0, 0, 1).expand({32, -1, -1, -1}));
  EXPECT_GT(Max(same - same[0]), 1e-4);
  net->SetDropPath(0);
  EXPECT_TRUE(IsClose(net->forward(x), whole, {.absolute = 1e-6}));
}

TEST(Vit, DropPathKeepsTheMean) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  VitBlock block(16, 2);
  const auto x = torch::randn({1, 5, 16});
  const auto whole = block->forward(x);
  block->drop_path = 0.4;
  Rng rng(3);
  const auto many = block->forward(x.expand({20000, -1, -1}), &rng);
  // The MLP's branch sees what attention left: the mean is near, not equal.
  EXPECT_LT(Max(many.mean(0, true) - whole), 0.05 * Max(whole - x) + 0.02);
}

TEST(Vit, BackgroundGoesOffTheInputAndIntoTheFile) {
  EncoderSpec spec = MicroSpec();
  spec.background = "subtract";
  const auto net = MakeTestVit(spec);
  net->eval();
  const auto frames = RandomPictures(8, 32);
  const auto x = Preprocess(spec, frames);
  net->SetBackground(x);
  const auto input = net->Input(x);
  EXPECT_LT(Max(input.mean(0)), 1e-4);
  EXPECT_LT(input.std(0, false).max().item<double>(), 1);
  TemporaryFolder folder;
  SaveEncoder(folder / "vit.safetensors", *net, {}, {});
  const torch::NoGradGuard no_grad;
  const auto loaded = LoadEncoder(folder / "vit.safetensors", TestDevice(), "float32");
  EXPECT_TRUE(IsClose(loaded.Embed(frames), net->forward(x), {.of_max = 2e-5}));
}

TEST(Vit, AnotherSizeAndAFrozenPatchEmbedding) {
  EncoderSpec spec = MicroSpec();
  const auto net = MakeTestVit(spec);
  EXPECT_TRUE(net->any_size());
  EXPECT_EQ(net->forward(torch::rand({2, 3, 16, 24})).sizes(), (std::vector<int64_t>{2, 12}));
  net->FreezePatchEmbed();
  net->forward(torch::rand({2, 3, 32, 32})).sum().backward();
  const auto parameters = net->named_parameters();
  EXPECT_FALSE(parameters["patch_embed.proj.weight"].grad().defined());
  EXPECT_FALSE(parameters["patch_embed.proj.bias"].grad().defined());
  EXPECT_TRUE(parameters["cls_token"].grad().defined());
  spec.stem = "conv";
  spec.patch_size = 16;
  EXPECT_NE(UserErrorOf([&] { MakeTestVit(spec)->FreezePatchEmbed(); }).find("stem=patch"),
            std::string::npos);
  spec = MicroSpec();
  spec.pooling = "flatten";
  EXPECT_FALSE(MakeTestVit(spec)->any_size());
  EXPECT_EQ(MakeTestVit(spec)->last_linear()->options.in_features(), 16 * 128);
}

}  // namespace
}  // namespace v2r
