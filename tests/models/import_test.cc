// Weights of others in, ours out under their names.

#include "models/import.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/safetensors.h"
#include "models/init.h"
#include "models/positions.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

constexpr int64_t kHeads = 4;  // of vit_micro

EncoderSpec ResNetSpec() {
  EncoderSpec spec = SmallSpec("resnet18");
  spec.embedding_dim = 0;
  return spec;
}

EncoderSpec VitSpec() {
  EncoderSpec spec = SmallSpec("vit_micro");
  spec.embedding_dim = 0;
  spec.pooling = "cls";
  return spec;
}

TensorDict Prefixed(const TensorDict& state, const std::string& prefix) {
  TensorDict out;
  for (const auto& [name, tensor] : state) out[prefix + name] = tensor;
  return out;
}

class ImportTest : public ::testing::Test {
 protected:
  static TensorDict ResNet() { return ModuleState(*RandomNet(ResNetSpec())); }
  static TensorDict Vit() { return ModuleState(*RandomNet(VitSpec())); }
  void Write(const TensorDict& state) { WriteSafetensors(path_, ToStateDict(state), {}); }
  ImportResult Import(const ImportOptions& options = {}) { return ImportWeights(path_, options); }
  std::string Refusal(const ImportOptions& options = {}) {
    return UserErrorOf([&] { ImportWeights(path_, options); });
  }
  static void ExpectSame(const EncoderNetImpl& net, const TensorDict& expected) {
    const auto state = ModuleState(net);
    EXPECT_EQ(state.size(), expected.size());
    for (const auto& [name, tensor] : state) {
      ASSERT_TRUE(expected.contains(name)) << name;
      EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
    }
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "weights.safetensors";
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// Files of real PyTorch: found, read and computed as there (scripts/make_pth_goldens.py).
TEST(ImportGolden, EmbedsAsTorchDoes) {
  const auto folder = GoldenDir("pth");
  if (GoldenSetLeftOut("pth")) GTEST_SKIP() << "no folder " << folder;
  for (const auto& sidecar : GoldenFiles("pth", "")) {
    SCOPED_TRACE(sidecar.filename());
    const GoldenCase c = LoadGolden(sidecar);
    const auto found = nlohmann::json::parse(c.meta("found"));
    const auto given = nlohmann::json::parse(c.meta("options"));
    ImportOptions options;
    options.heads = given.value("heads", int64_t{0});
    options.input_size = given.value("input_size", int64_t{0});
    options.mean = given.value("mean", std::vector<double>());
    options.std = given.value("std", std::vector<double>());
    const ImportResult result =
        ImportWeights(folder / sidecar.filename().replace_extension(".pth"), options);
    EXPECT_EQ(result.source.format, found.at("format"));
    EXPECT_EQ(result.source.network, found.at("network"));
    EXPECT_EQ(result.source.prefix, found.at("prefix"));
    const EncoderSpec& spec = result.net->spec();
    EXPECT_EQ(spec.pooling, found.at("pooling"));
    EXPECT_EQ(spec.metric, found.at("metric"));
    if (found.contains("positions")) EXPECT_EQ(spec.positions, found.at("positions"));
    const torch::NoGradGuard no_grad;
    const auto frames = c["in.frames"];
    result.net->to(TestDevice());
    EXPECT_TRUE(IsClose(result.net->forward(Preprocess(spec, frames)), c["out.embedding"],
                        {.of_max = 1e-5}));
    const Encoder encoder = MakeEncoder(result.net, {}, TestDevice(), "float32");
    EXPECT_TRUE(IsClose(encoder.Embed(frames), c["out.embedding"], {.of_max = 1e-5}));
  }
}

struct Layout {
  std::string name, prefix;
  bool vit;
  std::string format, network;
  std::vector<std::string> besides;  // with what of theirs we drop
  std::vector<std::string> needs;    // "format", "heads", "colours": what must be said
};

class EveryLayout : public ImportTest, public ::testing::WithParamInterface<Layout> {};

TEST_P(EveryLayout, IsFoundAndLoadedWhole) {
  const Layout& layout = GetParam();
  TensorDict expected = layout.vit ? Vit() : ResNet();
  if (layout.format == "mae") {
    expected["pos_embed"] = SinCosTable(32, 4, 4, "mae", true);
  }
  TensorDict file = Prefixed(expected, layout.prefix);
  for (const std::string& name : layout.besides) file[name] = torch::ones({2, 3});
  if (layout.format == "vip") {  // its last layer belongs to it
    expected["fc.weight"] = torch::ones({5, expected.at("layer4.1.bn2.weight").size(0)});
    expected["fc.bias"] = torch::ones({5});
    for (const std::string name : {"fc.weight", "fc.bias"})
      file[layout.prefix + name] = expected[name];
  }
  Write(file);
  ImportOptions options;
  if (layout.vit) options.heads = kHeads;
  for (const std::string& need : layout.needs) {
    EXPECT_HAS(Refusal(options), need == "format" ? "--format" : "mean=");
    if (need == "format") options.format = layout.format;
    if (need == "colours") options.mean = options.std = {0.5, 0.5, 0.5};
  }
  const ImportResult result = Import(options);
  EXPECT_EQ(result.source.format, layout.format);
  EXPECT_EQ(result.source.network, layout.network);
  EXPECT_EQ(result.source.prefix, layout.prefix);
  std::vector<std::string> besides = layout.besides;
  std::sort(besides.begin(), besides.end());
  EXPECT_EQ(result.dropped, besides);
  ExpectSame(*result.net, expected);
  // Whoever says the format finds the same, and a tensor that no map knows is refused by name.
  options.format = layout.format;
  EXPECT_EQ(Import(options).source.prefix, layout.prefix);
  file[layout.prefix + "surprise.weight"] = torch::ones({1});
  Write(file);
  EXPECT_HAS(Refusal(options), "unexpected: " + layout.prefix + "surprise.weight");
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, EveryLayout,
    ::testing::Values(
        Layout{"torchvision", "", false, "torchvision", "", {"fc.weight", "fc.bias"}, {}},
        Layout{"imagenet_example",
               "state_dict.module.",
               false,
               "torchvision",
               "",
               {"state_dict.module.fc.bias", "optimizer.state.0.momentum_buffer"},
               {}},
        Layout{
            "moco",
            "state_dict.module.encoder_q.",
            false,
            "moco",
            "encoder_q",
            {"state_dict.module.encoder_q.fc.0.weight", "state_dict.module.encoder_k.conv1.weight",
             "state_dict.module.queue", "state_dict.module.queue_ptr", "optimizer.state.0.x"},
            {}},
        Layout{"mocov3",
               "state_dict.module.base_encoder.",
               false,
               "mocov3",
               "base_encoder",
               {"state_dict.module.base_encoder.fc.4.running_mean",
                "state_dict.module.predictor.0.weight",
                "state_dict.module.momentum_encoder.conv1.weight"},
               {}},
        Layout{"mocov3_vit",
               "state_dict.module.base_encoder.",
               true,
               "mocov3",
               "base_encoder",
               {"state_dict.module.base_encoder.head.7.running_var"},
               {}},
        Layout{"dino",
               "teacher.backbone.",
               true,
               "dino",
               "teacher",
               {"teacher.head.mlp.0.weight", "student.module.backbone.norm.weight",
                "student.module.head.last_layer.weight_g", "dino_loss.center", "fp16_scaler.x"},
               {}},
        Layout{"dino_resnet",
               "teacher.module.backbone.",
               false,
               "dino",
               "teacher",
               {"student.module.backbone.conv1.weight"},
               {}},
        Layout{"dino_backbone", "", true, "dino", "teacher", {}, {"format"}},
        Layout{"mae",
               "model.",
               true,
               "mae",
               "",
               {"model.mask_token", "model.decoder_embed.weight", "model.decoder_pos_embed",
                "model.decoder_blocks.0.norm1.weight"},
               {}},
        Layout{"mae_encoder", "model.", true, "mae", "", {}, {}},
        Layout{"ijepa",
               "target_encoder.module.",
               true,
               "ijepa",
               "target_encoder",
               {"encoder.module.norm.weight", "predictor.module.mask_token", "opt.x"},
               {}},
        Layout{"timm", "", true, "timm", "", {"head.weight", "head.bias"}, {"colours"}},
        Layout{"vip", "vip.module.convnet.", false, "vip", "", {}, {}},
        Layout{"r3m",
               "r3m.module.convnet.",
               false,
               "r3m",
               "",
               {"r3m.module.lang_enc.model.x", "r3m.module.lang_rew.pred.0.weight"},
               {}}),
    [](const auto& info) { return info.param.name; });

TEST_F(ImportTest, TheOtherNetworkOfAFile) {
  const auto query = ResNet();
  const auto key = ModuleState(*RandomNet(ResNetSpec(), 2));
  TensorDict file = Prefixed(query, "state_dict.module.encoder_q.");
  file.merge(Prefixed(key, "state_dict.module.encoder_k."));
  Write(file);
  ExpectSame(*Import().net, query);
  ImportOptions options;
  options.network = "encoder_k";
  ExpectSame(*Import(options).net, key);
  options.format = "moco";
  options.network = "encoder_p";
  EXPECT_HAS(Refusal(options), "did you mean 'encoder_");
}

TEST_F(ImportTest, Dinov2sNamesAndTorchvisionsTransformer) {
  EncoderSpec spec = VitSpec();
  spec.registers = 2;
  spec.layer_scale = 0.1;
  const auto expected = ModuleState(*RandomNet(spec));
  TensorDict official;
  for (const auto& [name, tensor] : expected) {  // in one chunk, as its training saves it
    official[name.starts_with("blocks.") ? "blocks.0." + name.substr(7) : name] = tensor;
  }
  official["mask_token"] = torch::zeros({1, 32});
  Write(official);
  ImportOptions options;
  options.heads = kHeads;
  const ImportResult result = Import(options);
  EXPECT_EQ(result.source.format, "dino");
  EXPECT_EQ(result.net->spec().registers, 2);
  ExpectSame(*result.net, expected);
  const auto plain = RandomNet(VitSpec());
  ExportWeights(*plain, "torchvision", path_);
  EXPECT_TRUE(ReadSafetensors(path_).tensors.contains(
      "encoder.layers.encoder_layer_1.self_attention.in_proj_weight"));
  const ImportResult back = Import(options);
  EXPECT_EQ(back.source.format, "torchvision");
  ExpectSame(*back.net, ModuleState(*plain));
}

TEST_F(ImportTest, IjepaHasNoClsToken) {
  EncoderSpec spec = VitSpec();
  spec.cls_token = false;
  spec.pooling = "avg";
  auto state = ModuleState(*RandomNet(spec));
  EXPECT_FALSE(state.contains("cls_token"));
  state["pos_embed"] = SinCosTable(32, 4, 4, "mae", false);
  Write(Prefixed(state, "target_encoder.module."));
  ImportOptions options;
  options.heads = kHeads;
  const ImportResult result = Import(options);
  EXPECT_FALSE(result.net->spec().cls_token);
  EXPECT_EQ(result.net->spec().pooling, "avg");
  EXPECT_EQ(result.net->spec().positions, "sincos");
  ExpectSame(*result.net, state);
}

TEST_F(ImportTest, FcMayBeKeptAndHalfPrecisionIsWidened) {
  auto state = ResNet();
  state["fc.weight"] = torch::ones({10, 64});
  state["fc.bias"] = torch::zeros({10});
  state["conv1.weight"] = state["conv1.weight"].to(torch::kHalf);
  state.erase("bn1.num_batches_tracked");
  Write(state);
  const ImportResult features = Import();
  EXPECT_EQ(features.dropped, (std::vector<std::string>{"fc.bias", "fc.weight"}));
  EXPECT_EQ(features.net->output_dim(), 64);
  EXPECT_TRUE(torch::equal(ModuleState(*features.net).at("conv1.weight"),
                           state["conv1.weight"].to(torch::kFloat)));
  ImportOptions options;
  options.keep_fc = true;
  const ImportResult whole = Import(options);
  EXPECT_TRUE(whole.dropped.empty());
  EXPECT_EQ(whole.net->output_dim(), 10);
  state.erase("fc.weight");
  Write(state);
  EXPECT_HAS(Refusal(options), "no last linear layer");
}

TEST_F(ImportTest, StackedPicturesShareTheFirstConvolution) {
  Write(ResNet());
  ImportOptions options;
  options.frame_stack = 2;
  const ImportResult one = Import(), two = Import(options);
  const auto frames = RandomPictures(3, 224);
  const torch::NoGradGuard no_grad;
  const auto twice = frames.unsqueeze(1).expand({-1, 2, -1, -1, -1});  // the same picture twice
  EXPECT_TRUE(IsClose(two.net->forward(Preprocess(two.net->spec(), twice)),
                      one.net->forward(Preprocess(one.net->spec(), frames)), {.of_max = 1e-5}));
}

TEST_F(ImportTest, PositionsOfAnotherGrid) {
  auto state = Vit();
  Write(Prefixed(state, "teacher.backbone."));
  ImportOptions options;
  options.heads = kHeads;
  options.input_size = 48;
  const ImportResult dino = Import(options);
  EXPECT_EQ(dino.positions, "dino from 4x4 to 6x6");
  EXPECT_TRUE(torch::equal(ModuleState(*dino.net).at("pos_embed"),
                           InterpolatePositionsDino(state.at("pos_embed"), 6, 6)));
  options.position_resize = "deit";
  EXPECT_TRUE(torch::equal(ModuleState(*Import(options).net).at("pos_embed"),
                           InterpolatePositionsDeit(state.at("pos_embed"), 6, 6)));
  options.input_size = 50;
  EXPECT_HAS(Refusal(options), "no multiple of patch_size");
}

TEST_F(ImportTest, MocoV3sSmallTransformerHasTwelveHeads) {
  EncoderSpec spec;
  spec.arch = "vit_small";
  spec.depth = 1;
  spec.input_size = 32;
  spec.patch_size = 16;
  spec.pooling = "cls";
  spec.embedding_dim = 0;
  const auto state = ModuleState(*RandomNet(spec));
  Write(Prefixed(state, "state_dict.module.base_encoder."));
  const EncoderSpec found = Import().net->spec();
  EXPECT_EQ(found.arch, "vit_small");
  EXPECT_EQ(found.heads, 12);
  EXPECT_EQ(found.depth, 1);
  Write(Prefixed(state, "teacher.backbone."));
  EXPECT_EQ(Import().net->spec().heads, 0);  // the arch's 6
}

TEST_F(ImportTest, RefusesWhatDoesNotFitAndSaysAllOfIt) {
  auto state = ResNet();
  state.erase("layer3.0.downsample.0.weight");
  state["layer2.0.conv1.weight"] = torch::zeros({1, 2, 3, 3});
  state["layer1.0.se.fc1.weight"] = torch::zeros({1});
  Write(state);
  const std::string message = Refusal();
  EXPECT_HAS(message, "weights.safetensors: does not fit resnet18 (format torchvision");
  EXPECT_HAS(message, "missing: layer3.0.downsample.0.weight");
  EXPECT_HAS(message, "unexpected: layer1.0.se.fc1.weight");
  EXPECT_HAS(message, "other shape: layer2.0.conv1.weight [1, 2, 3, 3] instead of [16, 8, 3, 3]");
  EXPECT_HAS(message, "squeeze-and-excitation");
  state = ResNet();
  state.erase("layer4.1.conv1.weight");
  Write(state);
  EXPECT_HAS(Refusal(), "a ResNet of 2, 2, 2, 1 blocks");
  state = ResNet();
  state["bn1.running_var"] = torch::full({8}, NAN);
  Write(state);
  EXPECT_HAS(Refusal(), "'bn1.running_var' has infinite or NaN");
  Write({{"x", torch::ones({1})}});
  EXPECT_HAS(Refusal(), "holds no network laid out as one of torchvision, moco");
  ImportOptions options;
  options.format = "mocco";
  EXPECT_HAS(Refusal(options), "did you mean 'moco'");
  options.format = "r3m";
  Write(ResNet());
  EXPECT_HAS(Refusal(options), "holds no network laid out as r3m");
  SaveEncoder(path_, *RandomNet(ResNetSpec()), {}, {});
  EXPECT_HAS(Refusal(), "is an encoder file already");
}

TEST_F(ImportTest, TransformersThatAreNotOursAreRefusedWithTheReason) {
  ImportOptions options;
  options.format = "mae";
  EXPECT_HAS((Write(Vit()), Refusal(options)), "heads=");
  options.heads = kHeads;
  const auto with = [&](const std::string& name) {
    auto state = Vit();
    state[name] = torch::ones({1});
    Write(state);
    return Refusal(options);
  };
  EXPECT_HAS(with("fc_norm.weight"), "mean of the patch tokens before its last norm");
  EXPECT_HAS(with("blocks.0.mlp.w12.weight"), "SwiGLU");
  EXPECT_HAS(with("dist_token"), "distillation token");
  auto state = Vit();
  state["pos_embed"] = torch::zeros({1, 14, 32});
  Write(state);
  EXPECT_HAS(Refusal(options), "no square");
  state["pos_embed"] = torch::zeros({2, 17, 32});
  Write(state);
  EXPECT_HAS(Refusal(options), "positions [2, 17, 32]");
}

// Every option set to another value is seen in the net, its spec or the error.
TEST_F(ImportTest, EveryKeyChangesSomething) {
  auto state = Prefixed(Vit(), "teacher.backbone.");
  state.merge(Prefixed(ModuleState(*RandomNet(VitSpec(), 2)), "student.backbone."));
  state["teacher.backbone.head.weight"] = torch::ones({3, 32});
  state["teacher.backbone.head.bias"] = torch::ones({3});
  Write(state);
  ImportOptions base;
  base.heads = kHeads;
  base.input_size = 48;
  const std::map<std::string, std::function<void(ImportOptions&)>> changes = {
      {"format", [](auto& o) { o.format = "timm"; }},
      {"network", [](auto& o) { o.network = "student"; }},
      {"input_size", [](auto& o) { o.input_size = 64; }},
      {"position_resize", [](auto& o) { o.position_resize = "deit"; }},
      {"keep_fc", [](auto& o) { o.keep_fc = true; }},
      {"frame_stack", [](auto& o) { o.frame_stack = 3; }},
      {"heads", [](auto& o) { o.heads = 2; }},
      {"mean",
       [](auto& o) {
         o.mean = {0.1, 0.2, 0.3};
       }},
      {"std",
       [](auto& o) {
         o.std = {0.1, 0.2, 0.3};
       }},
      {"metric", [](auto& o) { o.metric = "l2"; }},
  };
  const auto outcome = [&](const ImportOptions& options) {
    try {
      return EncoderFingerprint(*ImportWeights(path_, options).net, {});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
  };
  const std::string expected = outcome(base);
  for (const auto& row : Describe<ImportOptions>()) {
    SCOPED_TRACE(row.path);
    ASSERT_TRUE(changes.contains(row.path)) << "a key without a test";
    ImportOptions options = base;
    changes.at(row.path)(options);
    EXPECT_NE(outcome(options), expected);
  }
}

TEST_F(ImportTest, WhatIsExportedComesBackBitEqual) {
  for (const std::string names : {"torchvision", "timm"}) {
    for (const std::string arch : {"resnet18", "resnet50", "vit_micro"}) {
      SCOPED_TRACE(names + " " + arch);
      EncoderSpec spec = SmallSpec(arch);  // with fc
      if (arch == "vit_micro") spec.pooling = "cls";
      if (arch == "resnet50" && names == "timm") spec.variant = "resnet_d";
      const EncoderNet net = RandomNet(spec);
      const auto written = ExportWeights(*net, names, path_);
      EXPECT_EQ(written.size(), ModuleState(*net).size());
      ImportOptions options;
      options.keep_fc = true;
      options.heads = arch == "vit_micro" ? kHeads : 0;
      options.input_size = spec.input_size;
      if (names == "timm" && arch == "vit_micro") options.mean = options.std = {0.5, 0.5, 0.5};
      const ImportResult back = Import(options);
      ExpectSame(*back.net, ModuleState(*net));
      EXPECT_EQ(back.net->spec().width, spec.width);
      EXPECT_EQ(back.net->spec().variant, spec.variant);
    }
  }
}

TEST_F(ImportTest, ExportRefusesWhatTheOthersHaveNoPlaceFor) {
  const auto refusal = [&](const EncoderSpec& spec, const std::string& names) {
    return UserErrorOf([&] { ExportWeights(*RandomNet(spec), names, path_); });
  };
  EXPECT_HAS(refusal(SmallSpec("conv4"), "timm"), "conv4");
  EXPECT_HAS(refusal(SmallSpec("resnet18"), "torchvison"), "did you mean 'torchvision'");
  EncoderSpec spec = SmallSpec("resnet50");
  spec.variant = "resnet_d";
  EXPECT_HAS(refusal(spec, "torchvision"), "take timm");
  spec = VitSpec();
  spec.registers = 1;
  EXPECT_HAS(refusal(spec, "torchvision"), "registers");
  spec = SmallSpec("resnet18");
  spec.variant = "simclr";
  EXPECT_HAS(refusal(spec, "timm"), "simclr");
}

}  // namespace
}  // namespace v2r
