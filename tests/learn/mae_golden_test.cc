// The pieces of masked autoencoding against facebookresearch/mae.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "learn/mae.h"
#include "learn/schedules.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(MaeGolden, PatchesAndMasks) {
  for (const GoldenCase& c : GoldenCases("11_mae_pieces")) {
    SCOPED_TRACE(c.name);
    const int64_t patch = c.hyper().at("patch");
    const auto pictures = c["in.imgs"];
    const auto patches = Patchify(pictures, patch);
    EXPECT_TRUE(torch::equal(patches, c["out.patchify"]));
    EXPECT_TRUE(torch::equal(Unpatchify(patches, patch, pictures.size(2) / patch), pictures));
    EXPECT_TRUE(torch::equal(Unpatchify(c["out.patchify"], patch, pictures.size(2) / patch),
                             c["out.unpatchify"]));
    int ratios = 0;
    for (const auto& [key, expected] : c.Under("out.r")) {
      if (!key.ends_with(".mask")) continue;
      const std::string ratio = key.substr(0, key.size() - 5);
      SCOPED_TRACE(ratio);
      const PatchMask mask = MaskByNoise(c["in.noise"], std::stod(ratio));
      EXPECT_TRUE(torch::equal(mask.removed, expected));
      EXPECT_TRUE(torch::equal(mask.restore, c["out.r" + ratio + ".ids_restore"]));
      EXPECT_TRUE(torch::equal(KeepPatches(c["in.x"], mask), c["out.r" + ratio + ".x_masked"]));
      ++ratios;
    }
    EXPECT_GE(ratios, 1);
  }
}

TEST(MaeGolden, LossOfPixelsAndOfNormalisedPatches) {
  for (const GoldenCase& c : GoldenCases("11_mae_pieces")) {
    SCOPED_TRACE(c.name);
    const int64_t patch = c.hyper().at("patch");
    const auto removed = c["out.r0.75.mask"];
    for (const bool norm_pix : {false, true}) {
      const std::string name = norm_pix ? "out.loss_normpix" : "out.loss_raw";
      auto prediction = c["in.pred"].clone().requires_grad_();
      const auto loss = MaeLoss(prediction, MaeTarget(c["in.imgs"], patch, norm_pix), removed);
      EXPECT_TRUE(IsClose(loss, c[name], {.relative = 1e-6}));
      loss.backward();
      EXPECT_TRUE(IsClose(prediction.grad(), c[name + "_grad_pred"], {.of_max = 1e-6}));
    }
    // A patch of one colour: the floor in the root keeps it finite.
    const auto constant = MaeTarget(c["in.imgs_with_constant_patch"], patch, true);
    const auto all = MaeLoss(c["in.pred"], constant, torch::ones_like(removed));
    EXPECT_TRUE(IsClose(all, c["out.loss_normpix_constant_patch_all_masked"], {.relative = 1e-5}));
  }
}

// Warm-up and half cosine of pretraining (util/lr_sched.py, min_lr 0), in hundredths of an epoch.
TEST(MaeGolden, LearningRateOfPretraining) {
  for (const GoldenCase& c : GoldenCases("11_mae_schedules")) {
    const auto hyper = c.hyper().at("pretrain");
    const auto epochs = c.tensors.at("in.epochs_pretrain"), rates = c.tensors.at("out.lr_pretrain");
    const int64_t total = hyper.at("epochs"), warmup = hyper.at("warmup_epochs");
    ASSERT_EQ(hyper.at("min_lr").get<double>(), 0);
    int exact = 0;
    for (int64_t i = 0; i < epochs.size(0); ++i) {
      const double hundredths = epochs[i].item<double>() * 100;
      if (hundredths != std::round(hundredths)) continue;
      ++exact;
      const double rate =
          hyper.at("lr").get<double>() *
          ScheduleFactor("cosine", static_cast<int64_t>(hundredths), total * 100, warmup * 100);
      EXPECT_NEAR(rate, rates[i].item<double>(), 1e-12);
    }
    EXPECT_GE(exact, 4);
  }
}

}  // namespace
}  // namespace v2r
