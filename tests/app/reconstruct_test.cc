// `v2r embed --reconstruct`: what the pictures show, and that every key of it counts.
#include "app/reconstruct.h"

#include <map>

#include "app/commands.h"
#include "app/sheet.h"
#include "core/error.h"
#include "media/video.h"
#include "tests/app/embed.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

constexpr int kTile = 128, kTitle = 18;

class ReconstructCommandTest : public MiniRun {
 protected:
  void SetUp() override {
    MiniRun::SetUp();
    for (const char* clip : {"a", "b"}) {
      MakeDirectories(root_ / "clips" / clip);
      for (int t = 0; t < 6; ++t) {
        Image image(32, 32);
        for (int y = 0; y < 32; ++y) {
          for (int x = 0; x < 32; ++x) {
            image.pixels[3 * (y * 32 + x)] = static_cast<uint8_t>(100 + 3 * x);
            image.pixels[3 * (y * 32 + x) + 1] = static_cast<uint8_t>(250 - 3 * y);
            image.pixels[3 * (y * 32 + x) + 2] = static_cast<uint8_t>(200 + 10 * t);
          }
        }
        WritePng(root_ / "clips" / clip / fmt::format("{}.png", t), image.view());
      }
    }
    PretrainCommand({"data.path=" + (root_ / "clips").string(),
                     "pretrain=mae",
                     "pretrain.iterations=3",
                     "pretrain.warmup_iterations=0",
                     "pretrain.mask_ratio=0.75",
                     "pretrain.batch_size=4",
                     "pretrain.decoder_dim=16",
                     "pretrain.decoder_depth=1",
                     "pretrain.labels=[good]",
                     "pretrain.monitor_frames=0",
                     "encoder=vit_micro",
                     "encoder.width=0.25",
                     "encoder.depth=1",
                     "encoder.input_size=32",
                     "encoder.patch_size=8",
                     "encoder.mean=[0,0,0]",
                     "encoder.std=[1,1,1]",
                     "encoder.background=none",
                     "out=" + (root_ / "mae.safetensors").string(),
                     "device=cpu",
                     "torch_threads=1"});
    SaveConvEncoder(root_);
  }

  std::map<std::string, std::string> Embed(const std::string& encoder,
                                           const std::vector<std::string>& more) {
    return EmbedPictures(root_, "_reconstruction", encoder, more);
  }
};

// Of a tile: the patches (4 x 4, 32 pixels a side on the sheet) that differ from another tile's.
std::vector<bool> Differ(const Image& sheet, int row, int tile, int other) {
  std::vector<bool> differ;
  const int side = kTile / 4;
  for (int p = 0; p < 16; ++p) {
    bool found = false;
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        const int at_y = row * (kTile + kTitle) + kTitle + p / 4 * side + y;
        const auto at = [&](int t) {
          return sheet.pixels.data() + 3 * (at_y * sheet.width + t * kTile + p % 4 * side + x);
        };
        for (int c = 0; c < 3; ++c) found |= at(tile)[c] != at(other)[c];
      }
    }
    differ.push_back(found);
  }
  return differ;
}

TEST_F(ReconstructCommandTest, TheRemovedPatchesArePaintedAndTheOthersStay) {
  EXPECT_TRUE(Embed("mae.safetensors", {}).empty());
  const auto all = Embed("mae.safetensors", {"reconstruct.enabled=true"});
  ASSERT_EQ(all.size(), 2u);
  ASSERT_TRUE(all.contains("a.png"));
  const Image sheet = ReadImage(root_ / "z_reconstruction" / "a.png");
  ASSERT_EQ(sheet.width, 3 * kTile);
  ASSERT_EQ(sheet.height, 4 * (kTile + kTitle));
  for (int row = 0; row < 4; ++row) {
    // Twelve of sixteen patches are removed; the painted picture differs in these and no other.
    const auto removed = Differ(sheet, row, 1, 0);
    EXPECT_EQ(std::count(removed.begin(), removed.end(), true), 12) << row;
    EXPECT_EQ(Differ(sheet, row, 2, 0), removed) << row;
    EXPECT_EQ(Differ(sheet, row, 2, 1), removed) << row;
  }
}

TEST_F(ReconstructCommandTest, EveryKeyChangesSomething) {
  const auto base = Embed("mae.safetensors", {"reconstruct.enabled=true"});
  EXPECT_EQ(Embed("mae.safetensors", {"reconstruct.enabled=true"}), base);
  const std::map<std::string, std::string> changes = {
      {"enabled", "false"}, {"frames", "2"}, {"mask_ratio", "0.5"}, {"seed", "2"}};
  for (const auto& [key, value] : changes) {
    EXPECT_NE(
        Embed("mae.safetensors", {"reconstruct.enabled=true", "reconstruct." + key + "=" + value}),
        base)
        << key;
  }
  for (const FieldDoc& row : Describe(ReconstructOptions{})) {
    EXPECT_TRUE(changes.contains(row.path)) << row.path;
  }
}

TEST_F(ReconstructCommandTest, WhatCannotPaintIsRefusedByName) {
  for (const auto& [encoder, word, expected] :
       {std::tuple{"conv.safetensors", "reconstruct.seed=1", "pretrain=mae"},
        std::tuple{"mae.safetensors", "reconstruct.mask_ratio=0.97", "none of 16 patches"}}) {
    try {
      Embed(encoder, {"reconstruct.enabled=true", word});
      FAIL() << "no UserError";
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
    EXPECT_FALSE(fs::exists(root_ / "z.safetensors"));
    EXPECT_FALSE(fs::exists(root_ / "z_reconstruction"));
  }
}

}  // namespace
}  // namespace v2r
