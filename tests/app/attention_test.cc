// `v2r embed --attention`: what the pictures show, and that every key of it counts.
#include "app/attention.h"

#include <algorithm>
#include <map>

#include "app/commands.h"
#include "core/error.h"
#include "core/frame.h"
#include "media/video.h"
#include "tests/app/embed.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

EncoderSpec SmallVit() {
  EncoderSpec spec;
  spec.arch = "vit_micro";
  spec.width = 0.25;
  spec.depth = 2;
  spec.input_size = 32;
  spec.patch_size = 8;
  spec.pooling = "cls";
  spec.embedding_dim = 8;
  return spec;
}

Vit SharpVit() {
  Rng rng(4);
  const auto vit = std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(SmallVit(), rng));
  const torch::NoGradGuard no_grad;
  // Fresh attention is flat: sharper here.
  for (auto& item : vit->named_parameters()) {
    if (item.key().ends_with("qkv.weight")) item.value().mul_(20);
  }
  vit->eval();
  return vit;
}

TEST(AttentionMapsTest, AreTheClsTokensRowOverThePatchGrid) {
  const Vit vit = SharpVit();
  torch::manual_seed(1);
  const auto x = torch::randn({2, 3, 32, 24});
  const auto all = vit->LastAttention(x);
  const auto maps = AttentionMaps(*vit, x, 0);
  ASSERT_EQ(maps.sizes(), (std::vector<int64_t>{2, 4, 4, 3}));
  // Patch (2, 1) is token 1 + 2 * 3 + 1.
  EXPECT_TRUE(maps.select(2, 2).select(2, 1).equal(all.select(2, 0).select(2, 8)));
  EXPECT_TRUE(torch::allclose(maps.sum({2, 3}), 1 - all.select(2, 0).select(2, 0)));
}

TEST(AttentionMapsTest, RegistersAreNoPatchesAndWithoutAClsTokenThereIsNone) {
  EncoderSpec spec = SmallVit();
  spec.registers = 3;
  Rng rng(4);
  const EncoderNet net = MakeEncoderNet(spec, rng);
  net->eval();
  const Vit vit = RequireVit(net, "file");
  torch::manual_seed(1);
  const auto x = torch::randn({2, 3, 32, 24});
  const auto maps = AttentionMaps(*vit, x, 0);
  ASSERT_EQ(maps.sizes(), (std::vector<int64_t>{2, 4, 4, 3}));
  EXPECT_TRUE(maps.flatten(2).equal(vit->LastAttention(x).select(2, 0).slice(2, 4)));
  spec.registers = 0;
  spec.cls_token = false;
  spec.pooling = "avg";
  EXPECT_THROW(RequireVit(MakeEncoderNet(spec, rng), "file"), UserError);
}

TEST(AttentionMapsTest, AThresholdKeepsTheFewestPatchesThatHoldTheShare) {
  const Vit vit = SharpVit();
  torch::manual_seed(1);
  const auto x = torch::randn({3, 3, 32, 32});
  const auto whole = AttentionMaps(*vit, x, 0).flatten(2),
             cut = AttentionMaps(*vit, x, 0.6).flatten(2);
  int64_t fewer = 0;
  for (int64_t b = 0; b < 3; ++b) {
    for (int64_t h = 0; h < 4; ++h) {
      const auto kept = cut[b][h].gt(0);
      const double total = whole[b][h].sum().item<double>();
      const double held = cut[b][h].sum().item<double>();
      EXPECT_GE(held, 0.6 * total - 1e-6);
      EXPECT_LT(held - cut[b][h].masked_select(kept).min().item<double>(), 0.6 * total);
      fewer += kept.sum().item<int64_t>() < 16 ? 1 : 0;
    }
  }
  EXPECT_EQ(fewer, 12);
}

class AttentionCommandTest : public MiniRun {
 protected:
  void SetUp() override {
    MiniRun::SetUp();
    for (const char* clip : {"a", "b"}) {
      MakeDirectories(root_ / "clips" / clip);
      for (int t = 0; t < 6; ++t) {
        Image image(32, 32);
        std::fill(image.pixels.begin(), image.pixels.end(), 60);
        for (int y = 8; y < 16; ++y) {
          std::fill_n(image.pixels.begin() + 3 * (y * 32 + 4 * t), 24, 230);
        }
        WritePng(root_ / "clips" / clip / fmt::format("{}.png", t), image.view());
      }
    }
    SaveEncoder(root_ / "vit.safetensors", *SharpVit(), {}, {});
    SaveConvEncoder(root_);
  }

  // Names and contents of the pictures that a call leaves.
  std::map<std::string, std::string> Embed(const std::string& encoder,
                                           const std::vector<std::string>& more) {
    return EmbedPictures(root_, "_attention", encoder, more);
  }
};

TEST_F(AttentionCommandTest, APictureAFrameAndEveryKeyCounts) {
  EXPECT_TRUE(Embed("vit.safetensors", {}).empty());
  const auto four = Embed("vit.safetensors", {"attention.enabled=true"});
  ASSERT_EQ(four.size(), 8u);
  for (const char* name : {"a_frame_000000.png", "b_frame_000005.png"}) {
    ASSERT_TRUE(four.contains(name)) << name;
  }
  const Image sheet = ReadImage(root_ / "z_attention" / "a_frame_000000.png");
  EXPECT_EQ(sheet.width, 128 * 6);  // frame, mean, four heads
  EXPECT_GE(sheet.height, 128);
  const auto two = Embed("vit.safetensors", {"attention.enabled=true", "attention.frames=2"});
  EXPECT_EQ(two.size(), 4u);
  EXPECT_EQ(two.at("a_frame_000000.png"), four.at("a_frame_000000.png"));
  const auto cut = Embed("vit.safetensors", {"attention.enabled=true", "attention.threshold=0.5"});
  EXPECT_NE(cut.at("a_frame_000000.png"), four.at("a_frame_000000.png"));
}

TEST_F(AttentionCommandTest, ANetworkWithoutAttentionIsRefusedByName) {
  try {
    Embed("conv.safetensors", {"attention.enabled=true"});
    FAIL() << "no UserError";
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("conv4"), std::string::npos) << message;
    EXPECT_NE(message.find("conv.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find("vit_micro"), std::string::npos) << message;
  }
  EXPECT_FALSE(fs::exists(root_ / "z_attention"));
  EXPECT_FALSE(fs::exists(root_ / "z.safetensors"));
}

}  // namespace
}  // namespace v2r
