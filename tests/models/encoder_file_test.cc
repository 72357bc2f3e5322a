// The encoder file: what is written comes back, and every damage is refused by name.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/safetensors.h"
#include "models/encoder_part.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

EncoderSpec OddSpec() {
  EncoderSpec spec = SmallSpec("resnet18");
  spec.mean = {0.1, 1.0 / 3.0, 0.7};
  spec.std = {0.3, 0.25, 1e-3};
  spec.metric = "cosine";
  spec.resize = "bilinear";
  spec.frame_stack = 2;
  return spec;
}

std::map<std::string, Head> TwoHeads() {
  Rng rng(5);
  const auto rank = std::make_shared<HeadImpl>(HeadSpec{.in_dim = 12, .hidden = {7, 5}}, rng);
  rank->SetStandardisation(RandomNormal(rng, {20, 12}));
  return {{"rank", rank},
          {"progress", std::make_shared<HeadImpl>(HeadSpec{.in_dim = 36, .out_dim = 2}, rng)}};
}

class EncoderFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    net_ = RandomNet(OddSpec());
    SaveEncoder(path_, *net_, TwoHeads(), {{"method", "ranking"}, {"iterations", "600"}});
  }
  // The message with which a changed copy of the file is refused.
  std::string RefusalOf(std::function<void(SafetensorsFile&)> change) {
    SafetensorsFile file = ReadSafetensors(path_);
    change(file);
    const auto other = folder_ / "changed.safetensors";
    WriteSafetensors(other, file.tensors, file.metadata);
    const std::string message = UserErrorOf([&] { LoadEncoderFile(other); });
    EXPECT_NE(message.find("changed.safetensors"), std::string::npos) << message;
    return message;
  }
  static void ReplaceInSpec(SafetensorsFile& file, const std::string& from, const std::string& to) {
    std::string& spec = file.metadata["spec"];
    const auto at = spec.find(from);
    ASSERT_NE(at, std::string::npos) << spec;
    spec.replace(at, from.size(), to);
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "encoder.safetensors";
  EncoderNet net_;
};

#define EXPECT_MENTIONS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(EncoderFileTest, RoundTrip) {
  const Encoder direct = MakeEncoder(net_, TwoHeads(), TestDevice(), "float32");
  const Encoder loaded = LoadEncoder(path_, TestDevice(), "float32");
  EXPECT_EQ(loaded.Fingerprint(), direct.Fingerprint());
  EXPECT_EQ(loaded.HeadNames(), (std::vector<std::string>{"progress", "rank"}));
  EXPECT_EQ(loaded.info().at("method"), "ranking");
  EXPECT_EQ(loaded.info().at("iterations"), "600");
  EXPECT_EQ(loaded.spec().std[2], 1e-3);
  EXPECT_EQ(loaded.spec().mean[1], 1.0 / 3.0);
  EXPECT_EQ(loaded.spec().metric, "cosine");
  const auto frames = RandomPictures(6, 40).view({3, 2, 40, 40, 3});
  const auto z = loaded.Embed(frames);
  EXPECT_TRUE(torch::equal(z, direct.Embed(frames)));
  EXPECT_TRUE(torch::equal(loaded.ApplyHead("rank", z), direct.ApplyHead("rank", z)));
}

TEST_F(EncoderFileTest, SavingTheLoadedFileGivesTheSameBytes) {
  const EncoderFile file = LoadEncoderFile(path_);
  SaveEncoder(folder_ / "again.safetensors", *file.net, file.heads, file.info);
  EXPECT_EQ(ReadFile(folder_ / "again.safetensors"), ReadFile(path_));
}

TEST_F(EncoderFileTest, MissingAndForeignFiles) {
  EXPECT_MENTIONS(UserErrorOf([&] { LoadEncoderFile(folder_ / "none.safetensors"); }),
                  "none.safetensors");
  std::ofstream(folder_ / "text.safetensors")
      << "This is no container at all, only a line of text.";
  EXPECT_MENTIONS(UserErrorOf([&] { LoadEncoderFile(folder_ / "text.safetensors"); }),
                  "text.safetensors");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata.erase("format"); }), "not an encoder file");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata["format"] = "pt"; }), "not an encoder file");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata["version"] = "2"; }), "version 2");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata.erase("version"); }), "version");
}

TEST_F(EncoderFileTest, TruncatedAtAnyPlace) {
  const std::string bytes = ReadFile(path_);
  for (const double share : {0.0, 0.001, 0.3, 0.9, 0.9999}) {
    const auto length = static_cast<size_t>(share * static_cast<double>(bytes.size()));
    std::ofstream(folder_ / "cut.safetensors", std::ios::binary) << bytes.substr(0, length);
    EXPECT_MENTIONS(UserErrorOf([&] { LoadEncoderFile(folder_ / "cut.safetensors"); }),
                    "cut.safetensors");
  }
}

TEST_F(EncoderFileTest, OneOfBeforeTransformersIsRead) {
  SafetensorsFile file = ReadSafetensors(path_);
  auto spec = nlohmann::json::parse(file.metadata.at("spec"));
  for (const char* key :
       {"patch_size", "positions", "stem", "depth", "heads", "drop_path", "background"}) {
    EXPECT_EQ(spec.erase(key), 1u) << key;
  }
  file.metadata["spec"] = spec.dump();
  const auto old = folder_ / "old.safetensors";
  WriteSafetensors(old, file.tensors, file.metadata);
  EXPECT_EQ(LoadEncoder(old, TestDevice(), "float32").Fingerprint(),
            LoadEncoder(path_, TestDevice(), "float32").Fingerprint());
}

TEST_F(EncoderFileTest, HeadsOfBeforeNormsAreReadAndNormsAreKept) {
  SafetensorsFile file = ReadSafetensors(path_);
  std::string& spec = file.metadata.at("head.rank");
  const std::string norm = ",\"norm\":\"none\"";
  ASSERT_NE(spec.find(norm), std::string::npos) << spec;
  spec.erase(spec.find(norm), norm.size());
  const auto old = folder_ / "old.safetensors";
  WriteSafetensors(old, file.tensors, file.metadata);
  EXPECT_EQ(LoadEncoderFile(old).heads.at("rank")->spec().norm, "none");

  Rng rng(7);
  const auto head = std::make_shared<HeadImpl>(
      HeadSpec{.in_dim = 12, .hidden = {6}, .out_dim = 3, .norm = "batch"}, rng);
  const torch::Tensor x = RandomNormal(rng, {2, 20, 12});
  EXPECT_EQ(head->forward(x).sizes(), (std::vector<int64_t>{2, 20, 3}));  // moves its statistics
  const auto path = folder_ / "norm.safetensors";
  SaveEncoder(path, *net_, {{"classifier", head}}, {});
  head->eval();
  const Encoder encoder = LoadEncoder(path, torch::kCPU, "float32");
  EXPECT_TRUE(torch::equal(encoder.ApplyHead("classifier", x), head->forward(x)));
  // Linear without bias, BatchNorm, ReLU, linear.
  const TensorDict w = ModuleState(*head);
  auto hidden = torch::matmul(x, w.at("layers.0.weight").t());
  hidden =
      (hidden - w.at("layers.1.running_mean")) / torch::sqrt(w.at("layers.1.running_var") + 1e-5);
  const auto expected =
      torch::matmul(torch::relu(hidden), w.at("layers.3.weight").t()) + w.at("layers.3.bias");
  EXPECT_TRUE(torch::allclose(head->forward(x), expected, 1e-5, 1e-6));
  EXPECT_FALSE(w.contains("layers.0.bias"));
}

TEST_F(EncoderFileTest, WrongSpec) {
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata.erase("spec"); }), "'spec'");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata["spec"] = "{\"arch\":"; }), "JSON");
  EXPECT_MENTIONS(RefusalOf([](auto& f) {
                    ReplaceInSpec(f, "\"metric\":\"cosine\"", "\"metrik\":\"cosine\"");
                  }),
                  "'metric'");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { ReplaceInSpec(f, "{", "{\"colour\":\"bgr\","); }),
                  "colour");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { ReplaceInSpec(f, "\"cosine\"", "\"dot\""); }), "dot");
  EXPECT_MENTIONS(
      RefusalOf([](auto& f) { ReplaceInSpec(f, "\"input_size\":32", "\"input_size\":\"big\""); }),
      "input_size");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { ReplaceInSpec(f, "resnet18", "resnet20"); }), "resnet20");
  // Another architecture than the weights are of.
  EXPECT_MENTIONS(RefusalOf([](auto& f) { ReplaceInSpec(f, "resnet18", "resnet50"); }),
                  "fc.weight");
  EXPECT_MENTIONS(
      RefusalOf([](auto& f) { ReplaceInSpec(f, "\"embedding_dim\":12", "\"embedding_dim\":13"); }),
      "fc");
}

TEST_F(EncoderFileTest, WrongTensors) {
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.tensors.erase("net.layer2.0.bn1.running_var"); }),
                  "layer2.0.bn1.running_var");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.tensors["net.extra"] = Blob::Scalar<float>(1); }),
                  "extra");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.tensors["other.weight"] = Blob::Scalar<float>(1); }),
                  "other.weight");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.tensors["net.fc.bias"] = ToBlob(torch::zeros({11})); }),
                  "fc.bias");
  EXPECT_MENTIONS(RefusalOf([](auto& f) {
                    f.tensors["net.fc.bias"] = ToBlob(torch::zeros({12}, torch::kHalf));
                  }),
                  "fc.bias");
  EXPECT_MENTIONS(
      RefusalOf([](auto& f) { f.tensors["net.fc.bias"] = ToBlob(torch::full({12}, NAN)); }),
      "fc.bias");
}

TEST_F(EncoderFileTest, WrongHeads) {
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata.erase("head.rank"); }), "head.rank");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.tensors.erase("head.rank.layers.0.weight"); }),
                  "layers.0.weight");
  EXPECT_MENTIONS(RefusalOf([](auto& f) { f.metadata["head.ghost"] = f.metadata["head.rank"]; }),
                  "ghost");
  EXPECT_MENTIONS(
      RefusalOf([](auto& f) { f.metadata["head.rank"] = "{\"in_dim\":12,\"out_dim\":1}"; }),
      "hidden");
  Rng rng(1);
  const std::map<std::string, Head> bad = {
      {"a.b", std::make_shared<HeadImpl>(HeadSpec{.in_dim = 12}, rng)}};
  EXPECT_MENTIONS(UserErrorOf([&] { SaveEncoder(folder_ / "bad.safetensors", *net_, bad, {}); }),
                  "a.b");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "bad.safetensors"));
}

// What only some command needs: it comes back, and neither loading nor the fingerprint minds it.
TEST_F(EncoderFileTest, PartsComeBackAndDoNotCount) {
  EXPECT_TRUE(LoadEncoderParts(path_).empty());
  const std::string fingerprint = LoadEncoder(path_, torch::kCPU, "float32").Fingerprint();
  const EncoderParts parts = {
      {"one", {R"({"width":3})", {{"a.weight", torch::arange(6.0F).view({2, 3})}}}},
      {"two", {"{}", {{"count", torch::tensor({7}, torch::kLong)}}}}};
  SaveEncoder(path_, *net_, TwoHeads(), {}, parts);
  const EncoderParts back = LoadEncoderParts(path_);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back.at("one").spec, R"({"width":3})");
  EXPECT_TRUE(back.at("one").tensors.at("a.weight").equal(torch::arange(6.0F).view({2, 3})));
  EXPECT_EQ(back.at("two").tensors.at("count").item<int64_t>(), 7);
  EXPECT_EQ(LoadEncoder(path_, torch::kCPU, "float32").Fingerprint(), fingerprint);
  const std::string stray =
      RefusalOf([](SafetensorsFile& file) { file.metadata.erase("part.two"); });
  EXPECT_NE(stray.find("'part.two.count'"), std::string::npos) << stray;
  EXPECT_NE(UserErrorOf([&] {
              SaveEncoder(path_, *net_, {}, {}, {{"a b", {}}});
            }).find("a part's name"),
            std::string::npos);
}

}  // namespace
}  // namespace v2r
