// The loss of untrained networks, which a wrong reduction, scale or temperature would move: of
// every method through the class that training uses. DINO's is in dino_test.cc.
#include <algorithm>
#include <cmath>

#include "core/torch_rng.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"
#include "pretrain/registry.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

// Noise: every frame another, every patch of unit deviation.
ClipSet Noise(int64_t clips, int64_t frames) {
  ClipSet set;
  Rng rng(8);
  for (int64_t i = 0; i < clips; ++i) {
    const auto pixels = RandomUniform(rng, {frames, 32, 32, 3}) * 255;
    set.clips.push_back({fmt::format("good/{}", i), "good", pixels.to(torch::kByte), 25.0});
  }
  return set;
}

// All frames alike: so are all embeddings.
ClipSet Still() {
  ClipSet set = Squares();
  for (Clip& clip : set.clips) clip.frames.fill_(90);
  return set;
}

struct First {
  double loss = 0;
  Metrics metrics;
  PretrainBatch batch;
};

First LossOf(const std::string& yaml, const ClipSet& clips) {
  const PretrainOptions options = With(With(TinyOptions("tcn"), "augment: {preset: none}"), yaml);
  const EncoderSpec spec = TinySpec(options.method);
  Rng rng(3);
  const auto method =
      PretrainMethods().Make(options.method, options, MakeEncoderNet(spec, rng), rng);
  method->Prepare(clips, PlainViews(clips, SpreadFrames(clips, 16), spec));
  First first;
  first.batch = method->Views(clips, rng);
  const auto result = method->Loss(first.batch, 0);
  first.loss = result.loss.item<double>();
  first.metrics = result.metrics;
  return first;
}

// Query and key are equal, the queue's K unit vectors in d dimensions are random: their products
// have variance 1/d, so ln(1 + K exp(1/(2 d T^2) - 1/T)). 0.09 at K 65536, d 128, T .07; 6.2 at T
// .2.
TEST(FirstLossTest, MocoFindsItsKeyAmongRandomOnes) {
  for (const double t : {0.07, 0.2}) {
    const First first = LossOf(
        fmt::format("{{method: moco, moco_head: linear, queue_size: 65536, projection_dim: 128, "
                    "temperature: {}}}",
                    t),
        Noise(3, 8));
    const double expected = std::log1p(65536 * std::exp(1 / (2 * 128 * t * t) - 1 / t));
    EXPECT_NEAR(first.loss, expected, 0.05 * expected) << t;
    EXPECT_EQ(first.metrics.at("pretrain/contrast_acc"), 1);
  }
}

// 2 * 2T ln N: the predictor is random, so queries say nothing of keys.
TEST(FirstLossTest, MocoV3IsTheLogarithmOfTheBatch) {
  for (const double t : {1.0, 4.0}) {
    const First first =
        LossOf(fmt::format(
                   "{{method: mocov3, projection_dim: 256, projection_hidden: 256, batch_size: 64, "
                   "temperature: {}}}",
                   t),
               Noise(4, 32));
    const double expected = 4 * t * std::log(64.0);
    EXPECT_NEAR(first.loss, expected, 0.02 * expected) << t;
  }
}

// Without a temperature to speak of all rows are alike: ln(2N - 1), twice that as released; with a
// memory of K rows ln(2N - 1 + K).
TEST(FirstLossTest, SimclrIsTheLogarithmOfTheOtherRows) {
  const ClipSet clips = Noise(2, 32);
  const std::string common = "{method: simclr, temperature: 10000, batch_size: 32";
  const double expected = std::log(63.0);
  EXPECT_NEAR(LossOf(common + "}", clips).loss, expected, 1e-3);
  EXPECT_NEAR(LossOf(common + ", ntxent_scaling: simclr}", clips).loss, 2 * expected, 2e-3);
  EXPECT_NEAR(LossOf(common + ", memory_size: 128}", clips).loss, std::log(63.0 + 128), 1e-3);
  // Random unit vectors lie above: 16.00 instead of 2 ln 2047 = 15.25 at T .1, N 1024, d 128.
  Rng rng(2);
  const auto z1 = RandomNormal(rng, {1024, 128}), z2 = RandomNormal(rng, {1024, 128});
  EXPECT_NEAR(NtXent(z1, z2, 0.1, "simclr").item<double>(), 16.0, 0.1);
}

// Targets of unit deviation, and the fresh decoder's output has a variance of its own: behind a
// LayerNorm of D numbers its Xavier-uniform last layer to P pixels gives 2D / (D + P). 1.8 for
// ViT-B.
TEST(FirstLossTest, MaeIsOnePlusTheDecodersVariance) {
  for (const double dim : {64.0, 512.0}) {
    const First first =
        LossOf(fmt::format("{{method: mae, decoder_dim: {}, decoder_heads: 4, batch_size: 16}}",
                           static_cast<int>(dim)),
               Noise(3, 16));
    const double pixels = 8 * 8 * 3;
    // All removed patches look alike to it: a mean of 192 squares, 10 % deviation.
    const double variance = 2 * dim / (dim + pixels);
    EXPECT_NEAR(first.loss, 1 + variance, 0.3 * variance) << dim;
  }
  const First raw =
      LossOf("{method: mae, norm_pix_loss: false, decoder_dim: 64, batch_size: 16}", Noise(3, 16));
  // Uniform pixels, scaled to [-1, 1], have variance 1/3.
  EXPECT_NEAR(raw.loss, 1.0 / 3 + 0.5, 0.15);
}

// Targets are LayerNorm's, the fresh predictor's output is next to nothing: the mean smooth L1 of a
// normal number is .425.
TEST(FirstLossTest, IjepaIsTheSmoothL1OfNormalTargets) {
  const First first = LossOf("{method: ijepa, batch_size: 16}", Noise(3, 16));
  EXPECT_NEAR(first.loss, 0.425, 0.04);
}

TEST(FirstLossTest, EqualEmbeddingsCostTheMargin) {
  EXPECT_NEAR(LossOf("{method: tcn, margin: 0.7}", Still()).loss, 0.7, 1e-6);
  // Groups of 8 frames of one clip: each positive among the group's anchors.
  EXPECT_NEAR(LossOf("{method: tcn, tcn_loss: xirl}", Still()).loss, std::log(8.0), 1e-5);
}

TEST(FirstLossTest, EqualUtilitiesCostLnTwo) {
  EXPECT_NEAR(LossOf("{method: ranking, rank_regulariser: 0}", Still()).loss, std::log(2.0), 1e-6);
}

TEST(FirstLossTest, EqualEmbeddingsAreAsFarOffAsTheStepsBetween) {
  const First first = LossOf("{method: tdist, distance_scale: 4}", Still());
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double gap = first.batch.tensors.at("gap")[i].item<double>() / 4;
    expected += (gap < 1 ? gap * gap / 2 : gap - 0.5) / 8;
  }
  EXPECT_GT(expected, 0);
  EXPECT_NEAR(first.loss, expected, 1e-4);
}

// The reward is -1 at every step: log e, once more over the negatives. LIV's value of equal
// pictures is 1 / (1 - gamma), which the first term takes back and the second does not see.
TEST(FirstLossTest, VipOfEqualEmbeddingsIsOneStep) {
  const std::string bare = "l2weight: 0, l1weight: 0";
  EXPECT_NEAR(LossOf("{method: vip, vip: {" + bare + "}}", Still()).loss, 1, 1e-6);
  EXPECT_NEAR(LossOf("{method: vip, vip: {num_negatives: 3, " + bare + "}}", Still()).loss, 2,
              1e-6);
  EXPECT_NEAR(
      LossOf("{method: vip, vip: {similarity: cosine, rescale: true, " + bare + "}}", Still()).loss,
      1, 1e-4);
}

// Two frames of its own film and one of each of three others to choose from.
TEST(FirstLossTest, R3mOfEqualEmbeddingsIsTheLogarithmOfWhatItChoosesFrom) {
  const std::string bare = "l2weight: 0, l1weight: 0";
  EXPECT_NEAR(LossOf("{method: r3m, r3m: {" + bare + "}}", Still()).loss, std::log(5.0), 1e-6);
  EXPECT_NEAR(LossOf("{method: r3m, r3m: {num_negatives: 0, " + bare + "}}", Still()).loss,
              std::log(2.0), 1e-6);
}

// A cycle comes back anywhere: the variance of the frames' times, or the logarithm of their number.
TEST(FirstLossTest, TccOfEqualEmbeddingsComesBackAnywhere) {
  for (const char* matching : {"false", "true"}) {
    const First first = LossOf(
        fmt::format("{{method: tcc, tcc: {{stochastic_matching: {}, num_cycles: 8}}}}", matching),
        Still());
    const auto times = first.batch.tensors.at("times").to(torch::kDouble) / 16;
    const auto off = (times - times.mean(1, true)).square();
    double expected = off.mean().item<double>();
    if (std::string(matching) == "true") {
      expected = 0;
      for (int64_t i = 0; i < 8; ++i) {
        const auto clip = first.batch.tensors.at("cycles")[i][0].item<int64_t>();
        const auto frame = first.batch.tensors.at("query")[i].item<int64_t>();
        expected += off[clip][frame].item<double>() / 8;
      }
    }
    EXPECT_GT(expected, 0.01);
    EXPECT_NEAR(first.loss, expected, 1e-6) << matching;
  }
  EXPECT_NEAR(
      LossOf("{method: tcc, tcc: {loss_type: classification, label_smoothing: 0}}", Still()).loss,
      std::log(6.0), 1e-6);
}

TEST(FirstLossTest, TcnsOtherFormsOfEqualEmbeddings) {
  const std::string hinge = "{method: tcn, tcn_loss: xirl_hinge, clip_frames: 12, margin: 1";
  EXPECT_NEAR(LossOf(hinge + "}", Still()).loss, 2, 1e-6);
  EXPECT_NEAR(LossOf(hinge + ", num_pairs: 3}", Still()).loss, 3, 1e-6);
  EXPECT_NEAR(LossOf("{method: tcn, tcn_loss: npairs, reg_lambda: 0}", Still()).loss, std::log(8.0),
              1e-5);
  // Vectors of length 10: their squares by a quarter of reg_lambda, of anchors and positives.
  EXPECT_NEAR(
      LossOf("{method: tcn, tcn_loss: npairs, reg_lambda: 0.02, embedding_length: 10}", Still())
          .loss,
      std::log(8.0) + 0.25 * 0.02 * 200, 1e-4);
}

TEST(FirstLossTest, AGoalLikeAllOthersCostsLnTwo) {
  EXPECT_NEAR(LossOf("{method: goal_classifier}", Still()).loss, std::log(2.0), 0.05);
}

TEST(FirstLossTest, EqualFilmsAreAlignedAndTheirReconstructionIsLeft) {
  const First first = LossOf("{method: lifs, recon_weight: 3}", Still());
  EXPECT_NEAR(first.metrics.at("pretrain/alignment"), 0, 1e-9);
  EXPECT_GT(first.metrics.at("pretrain/reconstruction"), 0);
  EXPECT_NEAR(first.loss, 3 * first.metrics.at("pretrain/reconstruction"), 1e-6);
}

}  // namespace
}  // namespace v2r
