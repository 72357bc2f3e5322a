// Encoder networks: making, initialising, options; heads; the ready encoder.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <map>
#include <set>

#include "core/options.h"
#include "models/vit.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

int64_t CountParameters(const EncoderNetImpl& net) {
  int64_t count = 0;
  for (const auto& p : net.parameters()) count += p.numel();
  return count;
}

TEST(EncoderNet, WeightsComeFromTheRngAlone) {
  for (const auto& arch : NetworkArchs()) {
    SCOPED_TRACE(arch);
    Rng a(7), b(7), c(8);
    torch::manual_seed(1);
    const auto first = MakeEncoderNet(SmallSpec(arch), a);
    torch::manual_seed(2);
    const auto second = MakeEncoderNet(SmallSpec(arch), b);
    const auto third = MakeEncoderNet(SmallSpec(arch), c);
    const auto fourth = MakeEncoderNet(SmallSpec(arch), a);  // the same stream, further on
    const auto state = ModuleState(*first), other = ModuleState(*third),
               next = ModuleState(*fourth);
    for (const auto& [name, tensor] : ModuleState(*second))
      EXPECT_TRUE(torch::equal(tensor, state.at(name)));
    EXPECT_FALSE(torch::equal(state.at("fc.weight"), other.at("fc.weight")));
    const std::string early = arch.starts_with("vit") ? "patch_embed.proj.weight" : "conv1.weight";
    EXPECT_FALSE(torch::equal(state.at(early), next.at(early)));
  }
}

TEST(EncoderNet, InitialScales) {
  Rng rng(3);
  EncoderSpec spec;
  const auto small = MakeEncoderNet(spec, rng);
  const auto weight = ModuleState(*small).at("conv3.weight");  // fan-in 32 * 9
  EXPECT_NEAR(weight.abs().max().item<double>(), 1 / std::sqrt(288.0), 1e-3);
  EXPECT_NEAR(weight.std().item<double>(), 1 / std::sqrt(3 * 288.0), 1e-3);
  spec = SmallSpec("resnet18");
  spec.width = 1;
  const auto large = MakeEncoderNet(spec, rng);
  const auto state = ModuleState(*large);
  EXPECT_NEAR(state.at("layer2.1.conv2.weight").std().item<double>(), std::sqrt(2.0 / (128 * 9)),
              1e-3);
  EXPECT_EQ(state.at("layer2.1.bn2.weight").min().item<double>(), 1.0);
}

TEST(EncoderNet, Conv4OfTheRecipeHas126kParameters) {
  Rng rng(1);
  EXPECT_EQ(CountParameters(*MakeEncoderNet(EncoderSpec(), rng)), 126112);
}

TEST(EncoderNet, PixelsAreThePictureItself) {
  const EncoderSpec spec = SmallSpec("pixels");
  Rng rng(1);
  const Encoder encoder = MakeEncoder(MakeEncoderNet(spec, rng), {}, TestDevice(), "float32");
  const auto frames = RandomPictures(3, 32);
  EXPECT_TRUE(IsClose(encoder.Embed(frames), Preprocess(spec, frames).contiguous().flatten(1),
                      {.absolute = 1e-6}));
}

TEST(EncoderNet, WidthMultipliesChannels) {
  Rng rng(1);
  EncoderSpec spec = SmallSpec("resnet18");
  spec.width = 0.25;
  const auto quarter = ModuleState(*MakeEncoderNet(spec, rng));
  EXPECT_EQ(quarter.at("conv1.weight").size(0), 16);
  EXPECT_EQ(quarter.at("layer4.1.conv2.weight").size(0), 128);
  EXPECT_EQ(quarter.at("fc.weight").sizes(), (std::vector<int64_t>{12, 128}));
  spec.arch = "resnet50";
  spec.width = 0.5;
  EXPECT_EQ(ModuleState(*MakeEncoderNet(spec, rng)).at("layer4.0.downsample.0.weight").sizes(),
            (std::vector<int64_t>{1024, 512, 1, 1}));
  spec = EncoderSpec();
  spec.width = 2;
  EXPECT_EQ(ModuleState(*MakeEncoderNet(spec, rng)).at("conv4.weight").sizes(),
            (std::vector<int64_t>{128, 128, 3, 3}));
}

TEST(EncoderNet, GradientReachesEveryParameter) {
  for (const auto& arch : NetworkArchs()) {
    SCOPED_TRACE(arch);
    const EncoderSpec spec = SmallSpec(arch);
    Rng rng(1);
    const auto net = MakeEncoderNet(spec, rng);
    net->forward(Preprocess(spec, RandomPictures(4, spec.input_size))).square().sum().backward();
    for (const auto& item : net->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
    }
  }
}

// Every key of EncoderSpec set to another value must be seen in the embedding, its size, or the
// distance.
TEST(EncoderSpec, EveryKeyChangesSomething) {
  const std::map<std::string, std::function<void(EncoderSpec&)>> changes = {
      {"arch", [](EncoderSpec& s) { s.arch = "nature"; }},
      {"width", [](EncoderSpec& s) { s.width = 0.5; }},
      {"embedding_dim", [](EncoderSpec& s) { s.embedding_dim = 5; }},
      {"input_size", [](EncoderSpec& s) { s.input_size = 64; }},
      {"resize", [](EncoderSpec& s) { s.resize = "bilinear"; }},
      {"pooling", [](EncoderSpec& s) { s.pooling = "avg"; }},
      {"frame_stack", [](EncoderSpec& s) { s.frame_stack = 2; }},
      {"mean",
       [](EncoderSpec& s) {
         s.mean = {0.4, 0.5, 0.5};
       }},
      {"std",
       [](EncoderSpec& s) {
         s.std = {0.5, 0.5, 0.2};
       }},
      {"metric", [](EncoderSpec& s) { s.metric = "cosine"; }},
      {"patch_size", [](EncoderSpec& s) { s.patch_size = 16; }},
      {"positions", [](EncoderSpec& s) { s.positions = "sincos"; }},
      {"stem", [](EncoderSpec& s) { s.stem = "conv", s.patch_size = 16; }},
      {"depth", [](EncoderSpec& s) { s.depth = 2; }},
      {"heads", [](EncoderSpec& s) { s.heads = 2; }},
      {"drop_path", [](EncoderSpec& s) { s.drop_path = 0.5; }},
      {"background", [](EncoderSpec& s) { s.background = "subtract"; }},
      {"cls_token", [](EncoderSpec& s) { s.cls_token = false; }},
      {"registers", [](EncoderSpec& s) { s.registers = 2; }},
      {"layer_scale", [](EncoderSpec& s) { s.layer_scale = 0.1; }},
      {"variant", [](EncoderSpec& s) { s.variant = "resnet_d"; }},
      {"sk_ratio", [](EncoderSpec& s) { s.variant = "simclr", s.sk_ratio = 0.5; }},
      {"norm", [](EncoderSpec& s) { s.norm = "batch"; }},
  };
  const std::set<std::string> of_transformers = {
      "patch_size", "positions",  "stem",      "depth",     "heads",
      "drop_path",  "background", "cls_token", "registers", "layer_scale"};
  const auto result = [](const EncoderSpec& spec) {
    Rng rng(1);
    const auto net = MakeEncoderNet(spec, rng);
    const auto frames =
        RandomPictures(2 * spec.frame_stack, 100).view({2, spec.frame_stack, 100, 100, 3});
    if (const auto vit = std::dynamic_pointer_cast<VitImpl>(net)) {
      if (spec.background == "subtract") vit->SetBackground(Preprocess(spec, frames));
      if (spec.drop_path > 0) return net->forward(Preprocess(spec, frames)).detach();  // training
    }
    const Encoder encoder = MakeEncoder(net, {}, torch::kCPU, "float32");
    const auto z = encoder.Embed(frames);
    return torch::cat({z.flatten(), encoder.Distance(z[0], z[1]).view({1})});
  };
  EncoderSpec base;
  base.input_size = 48;
  for (const auto& row : Describe<EncoderSpec>()) {
    SCOPED_TRACE(row.path);
    ASSERT_TRUE(changes.contains(row.path)) << "a key without a test";
    const bool residual = row.path == "variant" || row.path == "sk_ratio";
    base.arch = of_transformers.contains(row.path) ? "vit_micro" : residual ? "resnet50" : "conv4";
    base.width = residual ? 0.125 : 1;
    base.variant = row.path == "sk_ratio" ? "simclr" : "torchvision";
    const auto expected = result(base);
    EncoderSpec spec = base;
    changes.at(row.path)(spec);
    const auto other = result(spec);
    EXPECT_FALSE(other.sizes() == expected.sizes() && torch::equal(other, expected));
  }
}

TEST(EncoderSpec, WrongValuesAreNamed) {
  const auto message = [](std::function<void(EncoderSpec&)> change) {
    EncoderSpec spec;
    change(spec);
    Rng rng(1);
    return UserErrorOf([&] { MakeEncoderNet(spec, rng); });
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                : ::testing::AssertionFailure() << text;
  };
  EXPECT_TRUE(has(message([](auto& s) { s.arch = "resnet81"; }), "resnet18"));
  EXPECT_TRUE(has(message([](auto& s) { s.mean = {0.5}; }), "encoder.mean"));
  EXPECT_TRUE(has(message([](auto& s) { s.std = {0.5, 0, 0.5}; }), "encoder.std"));
  EXPECT_TRUE(has(message([](auto& s) { s.metric = "cosinus"; }), "cosine"));
  EXPECT_TRUE(has(message([](auto& s) { s.pooling = "max"; }), "flatten"));
  EXPECT_TRUE(has(message([](auto& s) { s.resize = "cubic"; }), "bilinear"));
  EXPECT_TRUE(has(message([](auto& s) { s.width = 9; }), "encoder.width"));
  EXPECT_TRUE(has(message([](auto& s) { s.input_size = 8; }), "encoder.input_size"));
  EXPECT_TRUE(has(message([](auto& s) { s.frame_stack = 0; }), "encoder.frame_stack"));
  EXPECT_TRUE(has(message([](auto& s) { s.arch = "nature", s.input_size = 32; }), "36"));
  EXPECT_TRUE(has(message([](auto& s) { s.pooling = "cls"; }), "vit_micro"));
  EXPECT_TRUE(has(message([](auto& s) { s.patch_size = 16; }), "arch is conv4"));
  const auto vit = [&](std::function<void(EncoderSpec&)> change) {
    return message([&](EncoderSpec& s) { s.arch = "vit_micro", change(s); });
  };
  EXPECT_TRUE(has(vit([](auto& s) { s.input_size = 60; }), "take 56"));
  EXPECT_TRUE(has(vit([](auto& s) { s.stem = "conv"; }), "patches of 16"));
  EXPECT_TRUE(has(vit([](auto& s) { s.heads = 5; }), "128 channels"));
  EXPECT_TRUE(has(vit([](auto& s) { s.positions = "sincoss"; }), "sincos"));
}

TEST(DataDependentInit, GivesZeroMeanAndUnitDeviation) {
  for (const auto& arch : NetworkArchs()) {
    for (const bool train : {false, true}) {
      SCOPED_TRACE(arch + (train ? " train" : " eval"));
      const EncoderSpec spec = SmallSpec(arch);
      Rng rng(1);
      const auto net = MakeEncoderNet(spec, rng);
      net->train(train);
      const auto x = Preprocess(spec, RandomPictures(32, spec.input_size));
      DataDependentInit(*net, x);
      const torch::NoGradGuard no_grad;
      const auto z = net->forward(x);
      EXPECT_LT(z.mean(0).abs().max().item<double>(), 1e-3);
      EXPECT_LT((z.std(0, false) - 1).abs().max().item<double>(), 1e-3);
    }
  }
}

TEST(DataDependentInit, ConstantPicturesAndNoLastLayer) {
  EncoderSpec spec = SmallSpec("conv4");
  Rng rng(1);
  const auto net = MakeEncoderNet(spec, rng);
  const auto same = Preprocess(spec, RandomPictures(1, 32).expand({4, -1, -1, -1}));
  DataDependentInit(*net, same);
  EXPECT_TRUE(net->forward(same).isfinite().all().item<bool>());
  EXPECT_LT(net->forward(same).abs().max().item<double>(), 1e-2);
  spec.embedding_dim = 0;
  const auto bare = MakeEncoderNet(spec, rng);
  EXPECT_NE(UserErrorOf([&] { DataDependentInit(*bare, same); }).find("embedding_dim"),
            std::string::npos);
}

TEST(Head, StandardisesAndApplies) {
  Rng rng(1);
  HeadImpl head({.in_dim = 3, .hidden = {8, 4}, .out_dim = 2}, rng);
  const auto z =
      torch::tensor({{1.f, 100.f, 5.f}, {3.f, 300.f, 5.f}, {5.f, 500.f, 5.f}, {7.f, 700.f, 5.f}});
  const auto before = head.forward(z);
  EXPECT_EQ(head.forward(z.view({2, 2, 3})).sizes(), (std::vector<int64_t>{2, 2, 2}));
  head.SetStandardisation(z);
  EXPECT_FALSE(torch::equal(before, head.forward(z)));
  const auto state = ModuleState(head);
  EXPECT_NEAR(state.at("mean")[1].item<double>(), 400, 1e-3);
  EXPECT_NEAR(state.at("deviation")[0].item<double>(), std::sqrt(5.0), 1e-6);
  EXPECT_EQ(state.at("deviation")[2].item<double>(), 1);  // constant: only shifted
  // The standardised input seen by an untouched copy of the layers.
  HeadImpl plain({.in_dim = 3, .hidden = {8, 4}, .out_dim = 2}, rng);
  auto copied = ModuleState(plain);
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("layers")) copied[name] = tensor;
  }
  LoadModuleState(plain, copied, "copy");
  const auto standard = (z - state.at("mean")) / state.at("deviation");
  EXPECT_TRUE(IsClose(plain.forward(standard), head.forward(z), {.absolute = 1e-6}));
}

TEST(Encoder, DistancesOfBothMetrics) {
  EncoderSpec spec = SmallSpec("conv4");
  const auto a = torch::tensor({{3.f, 4.f}, {1.f, 0.f}}),
             b = torch::tensor({{0.f, 0.f}, {0.f, 2.f}});
  const Encoder l2 = MakeEncoder(RandomNet(spec), {}, torch::kCPU, "float32");
  EXPECT_TRUE(IsClose(l2.Distance(a, b), torch::tensor({5.0, std::sqrt(5.0)}), {.absolute = 1e-6}));
  spec.metric = "cosine";
  const Encoder cosine = MakeEncoder(RandomNet(spec), {}, torch::kCPU, "float32");
  EXPECT_TRUE(IsClose(cosine.Distance(a, 2 * a), torch::zeros({2}), {.absolute = 1e-6}));
  EXPECT_TRUE(IsClose(cosine.Distance(a, -a), torch::full({2}, 2.0), {.absolute = 1e-6}));
  EXPECT_TRUE(cosine.Distance(a, b).isfinite().all().item<bool>());
  EXPECT_EQ(cosine.Distance(a, a[0]).sizes(), (std::vector<int64_t>{2}));
}

TEST(Encoder, HeadsAreCopiedAndNamed) {
  const EncoderSpec spec = SmallSpec("conv4");
  Rng rng(1);
  const auto rank = std::make_shared<HeadImpl>(HeadSpec{.in_dim = 12, .hidden = {6}}, rng);
  const Encoder encoder = MakeEncoder(RandomNet(spec), {{"rank", rank}}, TestDevice(), "float32");
  EXPECT_TRUE(encoder.HasHead("rank"));
  EXPECT_FALSE(encoder.HasHead("progress"));
  const auto z = encoder.Embed(RandomPictures(3, 32));
  EXPECT_TRUE(IsClose(encoder.ApplyHead("rank", z), rank->forward(z.cpu()), {.absolute = 1e-5}));
  const auto before = encoder.ApplyHead("rank", z).clone();
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : rank->parameters()) p.zero_();
  }
  EXPECT_TRUE(torch::equal(encoder.ApplyHead("rank", z), before));
  const auto message = UserErrorOf([&] { encoder.ApplyHead("renk", z); });
  EXPECT_NE(message.find("did you mean 'rank'"), std::string::npos) << message;
}

TEST(Encoder, EmbedKeepsNoGradientAndTakesEmptyBatches) {
  const Encoder encoder = MakeEncoder(RandomNet(SmallSpec("conv4")), {}, TestDevice(), "float32");
  EXPECT_FALSE(encoder.Embed(RandomPictures(2, 50)).requires_grad());
  EXPECT_EQ(encoder.Embed(torch::zeros({0, 50, 50, 3}, torch::kUInt8)).sizes(),
            (std::vector<int64_t>{0, 12}));
  EXPECT_NE(UserErrorOf([] {
              MakeEncoder(RandomNet(SmallSpec("conv4")), {}, torch::kCPU, "float16");
            }).find("bfloat16"),
            std::string::npos);
}

TEST(Encoder, FingerprintSeesSpecWeightsAndHeads) {
  const EncoderSpec spec = SmallSpec("conv4");
  const auto print = [](const EncoderNet& net, const std::map<std::string, Head>& heads = {},
                        const std::string& dtype = "float32") {
    return MakeEncoder(net, heads, torch::kCPU, dtype).Fingerprint();
  };
  const EncoderNet net = RandomNet(spec);
  const std::string base = print(net);
  EXPECT_EQ(base.size(), 16u);
  EXPECT_EQ(print(RandomNet(spec)), base);
  EXPECT_EQ(print(net, {}, "bfloat16"), base);
  EXPECT_NE(print(RandomNet(spec, 2)), base);
  EncoderSpec cosine = spec;
  cosine.metric = "cosine";
  EXPECT_NE(print(RandomNet(cosine)), base);
  Rng rng(1);
  EXPECT_NE(print(net, {{"rank", std::make_shared<HeadImpl>(HeadSpec{.in_dim = 12}, rng)}}), base);
  {
    const torch::NoGradGuard no_grad;
    net->parameters().back().flatten()[0].add_(1e-6);
  }
  EXPECT_NE(print(net), base);
}

}  // namespace
}  // namespace v2r
