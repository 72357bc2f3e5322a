// What residual networks and transformers have besides their papers' first forms: ResNet-D,
// SimCLR's ResNets with selective kernels, the CIFAR stem; registers, layer scale, no cls token.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "models/resnet.h"
#include "models/selective_kernel.h"
#include "models/vit.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

TEST(SelectiveKernelGolden, OfSimclr) {
  const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-5};
  for (const GoldenCase& c : GoldenCases("06_simclr_sk_block")) {
    for (const int64_t stride : {1, 2}) {
      const std::string key = "s" + std::to_string(stride);
      SCOPED_TRACE(c.name + " " + key);
      const auto hyper = c.hyper();
      SelectiveKernel block(c["in.x"].size(1), hyper.at("filters"), stride, hyper.at("sk_ratio"));
      TensorDict state = ModuleState(*block);
      const std::map<std::string, std::string> names = {
          {"conv", "conv.weight"},     {"bn_gamma", "bn.weight"},   {"bn_beta", "bn.bias"},
          {"conv_0", "conv_0.weight"}, {"bn1_gamma", "bn1.weight"}, {"bn1_beta", "bn1.bias"},
          {"conv_1", "conv_1.weight"}};
      for (const auto& [theirs, ours] : names) state[ours] = c["param." + key + "." + theirs].cpu();
      LoadModuleState(*block, state, c.name);
      block->to(TestDevice());
      block->train();
      auto x = c["in.x"].clone().requires_grad_();
      const auto y = block->forward(x);
      EXPECT_TRUE(IsClose(y, c["out." + key + ".y"], tolerance));
      y.square().sum().backward();
      EXPECT_TRUE(IsClose(x.grad(), c["out." + key + ".grad_x_of_sum_sq"], {.of_max = 1e-5}));
    }
    EXPECT_TRUE(IsClose(MaxPoolSame(c["in.pool_x"]), c["out.pool_tf_same_3_2"], tolerance));
    EXPECT_FALSE(
        IsClose(MaxPoolSame(c["in.pool_x"]), c["out.pool_torch_pad1_3_2"], {.absolute = 0.1}));
    const auto pooled = [&](int64_t stride) {
      return PoolShortcut(c["in.shortcut_x"], ShortcutPool::kSimclr, stride);
    };
    EXPECT_TRUE(IsClose(pooled(2), c["out.shortcut_sk_avgpool_fixedpad2_s2"], tolerance));
    EXPECT_TRUE(IsClose(pooled(1), c["out.shortcut_sk_avgpool_same_s1"], tolerance));
  }
}

struct Variant {
  std::string name;
  EncoderSpec spec;
};

EncoderSpec Changed(const std::string& arch, void (*change)(EncoderSpec&)) {
  EncoderSpec spec = SmallSpec(arch);
  change(spec);
  return spec;
}

std::vector<Variant> Variants() {
  return {
      {"resnet18_d", Changed("resnet18", [](auto& s) { s.variant = "resnet_d"; })},
      {"resnet50_d", Changed("resnet50", [](auto& s) { s.variant = "resnet_d"; })},
      {"resnet18_cifar", Changed("resnet18", [](auto& s) { s.stem = "cifar"; })},
      {"resnet18_simclr", Changed("resnet18", [](auto& s) { s.variant = "simclr"; })},
      {"resnet50_sk",
       Changed("resnet50", [](auto& s) { s.variant = "simclr", s.sk_ratio = 0.0625; })},
      {"resnet50_sk_cifar",
       Changed("resnet50",
               [](auto& s) { s.variant = "simclr", s.sk_ratio = 0.0625, s.stem = "cifar"; })},
      {"conv4_bn", Changed("conv4", [](auto& s) { s.norm = "batch"; })},
      {"vit_registers", Changed("vit_micro", [](auto& s) { s.registers = 3, s.pooling = "avg"; })},
      {"vit_layer_scale",
       Changed("vit_micro", [](auto& s) { s.layer_scale = 0.5, s.pooling = "cls"; })},
      {"vit_no_cls", Changed("vit_micro", [](auto& s) { s.cls_token = false, s.pooling = "avg"; })},
      {"vit_flat_registers", Changed("vit_micro", [](auto& s) { s.registers = 1; })},
  };
}

class EveryVariant : public ::testing::TestWithParam<Variant> {};

TEST_P(EveryVariant, FoldedPlanEqualsTheModuleAtEvenAndOddSizes) {
  for (const int64_t size : {32, 45}) {
    EncoderSpec spec = GetParam().spec;
    if (size % spec.patch_size != 0 && IsVit(spec.arch)) continue;
    spec.input_size = size;
    SCOPED_TRACE(size);
    if (!IsVit(spec.arch) && size == 45) spec.pooling = "flatten";
    const EncoderNet net = RandomNet(spec);
    const auto frames = RandomPictures(3, size);
    const torch::NoGradGuard no_grad;
    const auto expected = net->forward(Preprocess(spec, frames));
    ASSERT_EQ(expected.size(1), 12);
    net->to(TestDevice());
    EXPECT_TRUE(IsClose(MakeEncoder(net, {}, TestDevice(), "float32").Embed(frames), expected,
                        {.of_max = 2e-5}));
    if (size == 45) continue;
    const auto rounded = MakeEncoder(net, {}, TestDevice(), "bfloat16").Embed(frames);
    EXPECT_TRUE(IsClose(rounded, expected, {.of_max = 0.1}));
  }
}

TEST_P(EveryVariant, IsSavedAndRead) {
  const TemporaryFolder folder;
  const EncoderNet net = RandomNet(GetParam().spec);
  SaveEncoder(folder / "e.safetensors", *net, {}, {});
  const EncoderFile file = LoadEncoderFile(folder / "e.safetensors");
  EXPECT_EQ(EncoderFingerprint(*file.net, {}), EncoderFingerprint(*net, {}));
}

TEST_P(EveryVariant, GradientReachesEveryParameter) {
  const EncoderNet net = RandomNet(GetParam().spec);
  net->train();
  if (const auto resnet = std::dynamic_pointer_cast<ResNetImpl>(net)) {
    const torch::NoGradGuard no_grad;  // SimCLR's begin with gammas of 0
    for (const auto& item : resnet->named_parameters()) {
      if (item.value().dim() == 1 && item.key().ends_with("weight")) item.value().fill_(1);
    }
  }
  const auto x = Preprocess(GetParam().spec, RandomPictures(6, 32));
  net->forward(x).square().sum().backward();
  for (const auto& item : net->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, EveryVariant, ::testing::ValuesIn(Variants()),
                         [](const auto& info) { return info.param.name; });

TEST(ResNetVariants, NamesAreTimms) {
  const auto state =
      ModuleState(*RandomNet(Changed("resnet50", [](auto& s) { s.variant = "resnet_d"; })));
  for (const std::string name :
       {"conv1.0.weight", "conv1.1.running_var", "conv1.3.weight", "conv1.6.weight", "bn1.weight",
        "layer1.0.downsample.1.weight", "layer2.0.downsample.2.bias"}) {
    EXPECT_TRUE(state.contains(name)) << name;
  }
  EXPECT_EQ(state.at("conv1.0.weight").sizes(), (std::vector<int64_t>{4, 3, 3, 3}));
}

TEST(ResNetVariants, FreshWeightsOfSimclr) {
  Rng rng(1);
  EncoderSpec spec = SmallSpec("resnet18");
  spec.variant = "simclr";
  spec.width = 1;
  const auto state = ModuleState(*MakeEncoderNet(spec, rng));
  EXPECT_EQ(state.at("layer2.1.bn2.weight").abs().max().item<double>(), 0);
  EXPECT_EQ(state.at("layer2.1.bn1.weight").min().item<double>(), 1);
  EXPECT_TRUE(state.contains("layer1.0.downsample.0.weight"));  // even where nothing changes
  const auto weight = state.at("layer2.1.conv2.weight");
  const double deviation = std::sqrt(1.0 / (128 * 9));
  EXPECT_NEAR(weight.std().item<double>(), deviation, 0.01 * deviation);
  EXPECT_NEAR(weight.abs().max().item<double>(), 2 * deviation / 0.8796, 0.01 * deviation);
}

TEST(ResNetVariants, TheCifarStemKeepsTheSize) {
  EncoderSpec spec = SmallSpec("resnet18");
  spec.stem = "cifar";
  const auto net = std::dynamic_pointer_cast<ResNetImpl>(RandomNet(spec));
  EXPECT_EQ(net->Stem(torch::zeros({1, 3, 32, 32})).sizes(), (std::vector<int64_t>{1, 8, 32, 32}));
  EXPECT_EQ(net->Layer(3, torch::zeros({1, 32, 8, 8})).size(2), 4);
}

TEST(VitVariants, TokensAreCounted) {
  for (const auto& [cls, registers] :
       std::vector<std::pair<bool, int64_t>>{{true, 0}, {true, 4}, {false, 0}, {false, 2}}) {
    EncoderSpec spec = SmallSpec("vit_micro");
    spec.cls_token = cls;
    spec.registers = registers;
    spec.pooling = "avg";
    const auto net = std::dynamic_pointer_cast<VitImpl>(RandomNet(spec));
    const auto x = torch::zeros({2, 3, 32, 48});  // 4 x 6 patches: positions are interpolated
    EXPECT_EQ(net->Tokens(x).size(1), cls + registers + 24);
    EXPECT_EQ(net->extra_tokens(), cls + registers);
    EXPECT_EQ(net->LastAttention(x).size(2), cls + registers + 24);
  }
}

// Registers have no positions and come between the cls token and the patches.
TEST(VitVariants, WhereTheRegistersAre) {
  EncoderSpec spec = SmallSpec("vit_micro");
  spec.registers = 2;
  const auto net = std::dynamic_pointer_cast<VitImpl>(RandomNet(spec));
  const auto state = ModuleState(*net);
  const auto x = Preprocess(spec, RandomPictures(1, 32));
  const torch::NoGradGuard no_grad;
  const auto tokens = net->Tokens(x), positions = net->Positions(4, 4);
  EXPECT_TRUE(
      torch::equal(tokens.slice(1, 0, 1), state.at("cls_token") + positions.slice(1, 0, 1)));
  EXPECT_TRUE(torch::equal(tokens.slice(1, 1, 3), state.at("register_tokens")));
  EXPECT_TRUE(torch::equal(tokens.slice(1, 3), net->PatchTokens(x) + positions.slice(1, 1)));
}

TEST(VitVariants, LayerScaleMultipliesEachBranch) {
  EncoderSpec spec = SmallSpec("vit_micro");
  spec.layer_scale = 1e-5;
  Rng rng(1);
  const auto net = std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(spec, rng));
  const auto x = Preprocess(spec, RandomPictures(2, 32));
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(ModuleState(*net).at("blocks.1.ls2.gamma").max().item<float>(), 1e-5f);
  const auto tokens = net->Tokens(x);
  // Next to nothing is added: the blocks hand on what they get.
  const auto last = net->IntermediateLayers(x, 1)[0];
  const auto bare = torch::layer_norm(tokens, {tokens.size(2)}, {}, {}, 1e-6);
  EXPECT_TRUE(IsClose(last, bare, {.absolute = 0.05}));
  spec.layer_scale = 0;
  Rng same(1);
  const auto plain = std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(spec, same));
  EXPECT_FALSE(IsClose(plain->IntermediateLayers(x, 1)[0], bare, {.absolute = 0.05}));
}

TEST(VariantSpecs, WrongValuesAreNamed) {
  const auto message = [](const std::string& arch, void (*change)(EncoderSpec&)) {
    return UserErrorOf([&] {
      Rng rng(1);
      MakeEncoderNet(Changed(arch, change), rng);
    });
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                : ::testing::AssertionFailure() << text;
  };
  EXPECT_TRUE(has(message("resnet50", [](auto& s) { s.sk_ratio = 0.1; }), "variant=simclr"));
  EXPECT_TRUE(has(message("resnet18", [](auto& s) { s.variant = "simclr", s.sk_ratio = 0.1; }),
                  "resnet50 and resnet101"));
  EXPECT_TRUE(has(message("resnet18", [](auto& s) { s.variant = "resnetd"; }), "resnet_d"));
  EXPECT_TRUE(has(message("resnet18", [](auto& s) { s.stem = "conv"; }), "cifar"));
  EXPECT_TRUE(has(message("conv4", [](auto& s) { s.variant = "simclr"; }), "encoder.variant"));
  EXPECT_TRUE(has(message("conv4", [](auto& s) { s.registers = 1; }), "encoder.registers"));
  EXPECT_TRUE(has(message("conv4", [](auto& s) { s.norm = "layer"; }), "batch"));
  EXPECT_TRUE(has(message("resnet18", [](auto& s) { s.norm = "batch"; }), "arch is resnet18"));
  EXPECT_TRUE(has(message("vit_micro", [](auto& s) { s.stem = "cifar"; }), "conv"));
  EXPECT_TRUE(has(message("vit_micro", [](auto& s) { s.cls_token = false, s.pooling = "cls"; }),
                  "cls_token=true"));
}

}  // namespace
}  // namespace v2r
