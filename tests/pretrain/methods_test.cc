// What the methods draw and compute, on pictures whose colour says which clip and frame they are.
#include <algorithm>
#include <cmath>

#include "learn/losses.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"
#include "pretrain/registry.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

constexpr int64_t kLength = 30;

// Red = 10 x the clip, green = 5 x the frame; clips 0..2 good, 3 and 4 random.
ClipSet CodedClips(int64_t size = 32) {
  ClipSet set;
  for (int64_t c = 0; c < 5; ++c) {
    torch::Tensor frames = torch::zeros({kLength, size, size, 3}, torch::kByte);
    frames.select(3, 0).fill_(10 * c);
    for (int64_t t = 0; t < kLength; ++t) frames[t].select(2, 1).fill_(5 * t);
    const std::string label = c < 3 ? "good" : "random";
    set.clips.push_back({fmt::format("{}", c), label, frames, 25.0});
  }
  return set;
}

// The frames that a batch shows, row by row (of the last picture of a stack).
std::vector<FrameIndex> Decode(const torch::Tensor& views) {
  std::vector<FrameIndex> frames;
  const int64_t last = views.size(1) - 3;
  for (int64_t i = 0; i < views.size(0); ++i) {
    const double red = views[i][last][0][0].item<double>() * 255;
    const double green = views[i][last + 1][0][0].item<double>() * 255;
    frames.push_back({std::llround(red / 10), std::llround(green / 5)});
  }
  return frames;
}

struct Drawn {
  std::vector<std::vector<FrameIndex>> parts;  // of the batch, rows in step
  torch::Tensor gap;
};

Drawn Draw(const std::string& yaml, int64_t parts) {
  PretrainOptions options = With(TinyOptions("tcn"), yaml);
  options.batch_size = 64;
  options.augment = AugmentOptions::Preset("none");
  Rng rng(3);
  const auto method =
      PretrainMethods().Make(options.method, options, MakeEncoderNet(TinySpec(), rng), rng);
  const ClipSet clips = CodedClips();
  method->Prepare(clips, PlainViews(clips, SpreadFrames(clips, 16), TinySpec()));
  Drawn drawn;
  const PretrainBatch batch = method->Views(clips, rng);
  const auto frames = Decode(batch.tensors.at("views"));
  const int64_t rows = static_cast<int64_t>(frames.size()) / parts;
  for (int64_t p = 0; p < parts; ++p) {
    drawn.parts.emplace_back(frames.begin() + p * rows, frames.begin() + (p + 1) * rows);
  }
  if (batch.tensors.contains("gap")) drawn.gap = batch.tensors.at("gap");
  return drawn;
}

TEST(RankingTest, PairsAreOrderedWithinOneClip) {
  const Drawn drawn = Draw("method: ranking", 2);
  ASSERT_EQ(drawn.parts[0].size(), 64u);
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(drawn.parts[0][i].clip, drawn.parts[1][i].clip);
    EXPECT_LT(drawn.parts[0][i].frame, drawn.parts[1][i].frame);
  }
}

TEST(TcnTest, TripletsKeepTheirWindows) {
  const Drawn drawn = Draw("{method: tcn, positive_window: 3, negative_window: 9}", 3);
  int64_t farthest_positive = 0;
  for (size_t i = 0; i < 64; ++i) {
    const FrameIndex anchor = drawn.parts[0][i];
    EXPECT_EQ(anchor.clip, drawn.parts[1][i].clip);
    EXPECT_EQ(anchor.clip, drawn.parts[2][i].clip);
    const int64_t near = std::abs(anchor.frame - drawn.parts[1][i].frame);
    EXPECT_GE(near, 1);
    EXPECT_LE(near, 3);
    farthest_positive = std::max(farthest_positive, near);
    EXPECT_GT(std::abs(anchor.frame - drawn.parts[2][i].frame), 9);
  }
  EXPECT_EQ(farthest_positive, 3);
}

TEST(TcnTest, XirlGroupsHoldPositivesAndThenTheirAnchorsOfOneClip) {
  const Drawn drawn = Draw("{method: tcn, tcn_loss: xirl, positive_window: 2}", 1);
  const auto& rows = drawn.parts[0];
  ASSERT_EQ(rows.size(), 128u);
  for (size_t group = 0; group < 4; ++group) {
    for (size_t k = 0; k < 16; ++k) {
      const FrameIndex positive = rows[group * 32 + k];
      const FrameIndex anchor = rows[group * 32 + 16 + k];
      EXPECT_EQ(anchor.clip, rows[group * 32].clip);
      EXPECT_EQ(positive.clip, anchor.clip);
      const int64_t near = std::abs(positive.frame - anchor.frame);
      EXPECT_GE(near, 1);
      EXPECT_LE(near, 2);
      for (size_t other = 0; other < k; ++other)
        EXPECT_NE(rows[group * 32 + 16 + other].frame, anchor.frame);
    }
  }
}

TEST(TdistTest, OneFixedGoalIsNeverTheEndOfARandomClip) {
  const Drawn drawn = Draw("{method: tdist, goal_share: 0.5}", 2);
  int64_t goals = 0, random_pairs = 0;
  for (int64_t i = 0; i < 64; ++i) {
    const FrameIndex a = drawn.parts[0][i], b = drawn.parts[1][i];
    const double gap = drawn.gap[i].item<double>();
    if (a.clip == b.clip) {
      EXPECT_EQ(gap, std::abs(b.frame - a.frame));
      random_pairs += a.clip >= 3 ? 1 : 0;
      continue;
    }
    ++goals;
    EXPECT_LT(a.clip, 3);
    EXPECT_LT(b.clip, 3);
    EXPECT_EQ(b.frame, kLength - 1);
    EXPECT_EQ(gap, kLength - 1 - a.frame);
  }
  EXPECT_EQ(goals, 32);
  EXPECT_GT(random_pairs, 0);
}

TEST(TdistTest, AGoalPerClipIsItsOwnLastFrame) {
  const Drawn drawn = Draw("{method: tdist, goal_share: 1.0, cross_clip_goals: false}", 2);
  for (int64_t i = 0; i < 64; ++i) {
    const FrameIndex a = drawn.parts[0][i], b = drawn.parts[1][i];
    EXPECT_EQ(a.clip, b.clip);
    EXPECT_LT(a.clip, 3);
    EXPECT_EQ(b.frame, kLength - 1);
    EXPECT_EQ(drawn.gap[i].item<double>(), kLength - 1 - a.frame);
  }
}

TEST(SimclrTest, ViewsAreTheSameFrameOrNearOnes) {
  const Drawn same = Draw("method: simclr", 2);
  EXPECT_EQ(same.parts[0], same.parts[1]);
  const Drawn near = Draw("{method: simclr, temporal_window: 2}", 2);
  int64_t farthest = 0;
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(near.parts[0][i].clip, near.parts[1][i].clip);
    const int64_t gap = std::abs(near.parts[0][i].frame - near.parts[1][i].frame);
    EXPECT_LE(gap, 2);
    farthest = std::max(farthest, gap);
    for (size_t other = 0; other < i; ++other)
      EXPECT_FALSE(near.parts[0][other] == near.parts[0][i]);
  }
  EXPECT_EQ(farthest, 2);
}

TEST(PicturesTest, StacksAreOldestFirstAndRepeatTheClipsStart) {
  const ClipSet clips = CodedClips(16);
  EncoderSpec spec = TinySpec();
  spec.input_size = 16;
  spec.frame_stack = 3;
  const std::vector<FrameIndex> frames = {{1, 0}, {2, 7}};
  const torch::Tensor views = PlainViews(clips, frames, spec);
  ASSERT_EQ(views.sizes(), (std::vector<int64_t>{2, 9, 16, 16}));
  const auto green = [&](int64_t row, int64_t picture) {
    return std::llround(views[row][3 * picture + 1][4][4].item<double>() * 255 / 5);
  };
  EXPECT_EQ(green(0, 0), 0);
  EXPECT_EQ(green(0, 2), 0);
  EXPECT_EQ(green(1, 0), 5);
  EXPECT_EQ(green(1, 1), 6);
  EXPECT_EQ(green(1, 2), 7);
  // And exactly what the encoder's own front makes of the same frames.
  const auto picture = [&](int64_t clip, int64_t frame) { return clips.clips[clip].frames[frame]; };
  const torch::Tensor stacks =
      torch::stack({torch::stack({picture(1, 0), picture(1, 0), picture(1, 0)}),
                    torch::stack({picture(2, 5), picture(2, 6), picture(2, 7)})});
  EXPECT_LT((Preprocess(spec, stacks) - Normalise(spec, views)).abs().max().item<double>(), 1e-5);
}

// The losses on given pictures, against their formulas written out.
class LossTest : public ::testing::Test {
 protected:
  std::unique_ptr<Pretrainer> Make(const std::string& yaml) {
    Rng rng(3);
    options_ = With(TinyOptions("tcn"), yaml);
    auto method =
        PretrainMethods().Make(options_.method, options_, MakeEncoderNet(TinySpec(), rng), rng);
    const ClipSet clips = Squares();
    method->Prepare(clips, PlainViews(clips, SpreadFrames(clips, 16), TinySpec()));
    batch_ = method->Views(clips, rng);
    method->encoder()->eval();
    const torch::NoGradGuard no_grad;
    z_ = method->encoder()
             ->forward(Normalise(TinySpec(), batch_.tensors.at("views")))
             .to(torch::kDouble);
    return method;
  }
  PretrainOptions options_;
  PretrainBatch batch_;
  torch::Tensor z_;
};

TEST_F(LossTest, TdistIsSmoothL1OfTheScaledSteps) {
  const auto method = Make("{method: tdist, distance_scale: 3}");
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double distance = (z_[i] - z_[8 + i]).norm().item<double>();
    const double error = std::abs(distance - batch_.tensors.at("gap")[i].item<double>() / 3);
    expected += (error < 1 ? 0.5 * error * error : error - 0.5) / 8;
  }
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * expected);
}

TEST_F(LossTest, TcnTripletIsTheHinge) {
  const auto method = Make("{method: tcn, margin: 0.7}");
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double near = (z_[i] - z_[8 + i]).square().sum().item<double>();
    const double far = (z_[i] - z_[16 + i]).square().sum().item<double>();
    expected += std::max(0.0, near - far + 0.7) / 8;
  }
  EXPECT_GT(expected, 0);
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * expected);
}

TEST_F(LossTest, RankingIsBradleyTerryWithARegulariser) {
  const auto method = Make("{method: ranking, rank_regulariser: 0.1}");
  const torch::Tensor u =
      method->heads().at("rank")->forward(z_.to(torch::kFloat)).squeeze(1).to(torch::kDouble);
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double early = u[i].item<double>(), late = u[8 + i].item<double>();
    expected += std::log1p(std::exp(early - late)) / 8 + 0.1 * (early * early + late * late) / 16;
  }
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * expected);
}

TEST_F(LossTest, SimclrTreatsTheBatchsHalvesAsViews) {
  const auto method = Make("{method: simclr, ntxent_scaling: mean}");
  const double mean = method->Loss(batch_, 0).loss.item<double>();
  EXPECT_GT(mean, 0);
  EXPECT_NEAR(Make("{method: simclr, ntxent_scaling: simclr}")->Loss(batch_, 0).loss.item<double>(),
              2 * mean, 1e-5 * mean);
  // Views that do not belong together cost more.
  const torch::Tensor views = batch_.tensors.at("views");
  batch_.tensors["views"] = torch::cat({views.slice(0, 0, 8), views.slice(0, 8, 16).roll(1, 0)});
  EXPECT_GT(method->Loss(batch_, 0).loss.item<double>(), mean);
}

TEST_F(LossTest, VipIsItsFormula) {
  const auto method =
      Make("{method: vip, vip: {gamma: 0.9, num_negatives: 2, l2weight: 0.5, l1weight: 0.25}}");
  const auto value = [&](int64_t frame, int64_t goal) {
    return -(z_[frame] - z_[goal]).norm().item<double>();
  };
  const torch::Tensor permutations = batch_.tensors.at("permutations");
  double start = 0, own = 0, others = 0, norms = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const int64_t goal = 4 * i + 1;
    start -= 0.1 * value(4 * i, goal) / 8;
    own += std::exp(1 - 0.9 * value(4 * i + 3, goal) + value(4 * i + 2, goal)) / 8;
    for (int64_t k = 0; k < 2; ++k) {
      const auto other = permutations[k][i].item<int64_t>();
      others += std::exp(1 - 0.9 * value(4 * other + 3, goal) + value(4 * other + 2, goal)) / 16;
    }
  }
  for (int64_t i = 0; i < 32; ++i) {
    norms += (0.5 * z_[i].norm().item<double>() + 0.25 * z_[i].abs().sum().item<double>()) / 32;
  }
  const double expected = start + std::log(own) + std::log(others) + norms;
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * std::abs(expected));
}

TEST_F(LossTest, R3mIsItsFormula) {
  const auto method =
      Make("{method: r3m, r3m: {num_negatives: 2, tcnweight: 2, l2weight: 0.5, l1weight: 0.25}}");
  const auto near = [&](int64_t i, int64_t a, int64_t j, int64_t b) {
    return std::exp(-(z_[5 * i + a] - z_[5 * j + b]).norm().item<double>());
  };
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    double all2 = near(i, 4, i, 3) + near(i, 4, i, 2), all0 = near(i, 3, i, 2) + near(i, 4, i, 2);
    for (int64_t k = 0; k < 2; ++k) {
      all0 += near(i, 2, batch_.tensors.at("permutations0")[k][i].item<int64_t>(), 2);
      all2 += near(i, 4, batch_.tensors.at("permutations2")[k][i].item<int64_t>(), 4);
    }
    expected -= std::log(near(i, 4, i, 3) / all2) / 8 + std::log(near(i, 3, i, 2) / all0) / 8;
  }
  for (int64_t i = 0; i < 40; ++i) {
    expected += (0.5 * z_[i].norm().item<double>() + 0.25 * z_[i].abs().sum().item<double>()) / 40;
  }
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * expected);
}

TEST_F(LossTest, ProgressIsTheDivergenceOfTwoNormals) {
  const auto method = Make("{method: progress}");
  const torch::Tensor out = method->heads()
                                .at("progress")
                                ->forward(z_.to(torch::kFloat).view({8, -1}))
                                .to(torch::kDouble);
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double mu = out[i][0].item<double>(), deviation = std::exp(out[i][1].item<double>() / 2);
    const double label = batch_.tensors.at("label")[i].item<double>();
    const double wanted = 1 / batch_.tensors.at("steps")[i].item<double>();
    expected += std::log(deviation / wanted) / 8 - 1.0 / 16 +
                (wanted * wanted + (mu - label) * (mu - label)) / (2 * deviation * deviation) / 8;
  }
  EXPECT_NEAR(method->Loss(batch_, 0).loss.item<double>(), expected, 1e-4 * std::abs(expected));
}

// Of embeddings on the unit circle, whose own scale the method does not see.
TEST_F(LossTest, TccNormalisesAndScales) {
  const double plain = Make("{method: tcc, temperature: 0.5, tcc: {normalize_embeddings: true}}")
                           ->Loss(batch_, 0)
                           .loss.item<double>();
  // The learned factor starts at e, which squares: a temperature e^2 times as high takes it back.
  const double scaled = Make(fmt::format("{{method: tcc, temperature: {}, tcc: "
                                         "{{normalize_embeddings: true, learnable_temp: true}}}}",
                                         0.5 * std::exp(2.0)))
                            ->Loss(batch_, 0)
                            .loss.item<double>();
  EXPECT_NEAR(scaled, plain, 1e-4 * plain);
}

TEST(VipTest, SamplesAreStretchesWithTwoNeighbours) {
  const auto drawn = Draw("method: vip", 1).parts[0];
  ASSERT_EQ(drawn.size(), 256u);
  for (size_t i = 0; i < drawn.size(); i += 4) {
    const FrameIndex first = drawn[i], goal = drawn[i + 1], now = drawn[i + 2], next = drawn[i + 3];
    EXPECT_LE(first.frame, now.frame);
    EXPECT_EQ(next.frame, now.frame + 1);
    EXPECT_LE(next.frame, goal.frame);
    for (const FrameIndex& frame : {goal, now, next}) EXPECT_EQ(frame.clip, first.clip);
  }
}

TEST(GoalClassifierTest, GoalsAreLastFramesOfGoodClipsAndNothingElseIs) {
  const auto drawn =
      Draw("{method: goal_classifier, goal_frames: 2, labels: [good, random]}", 2).parts;
  bool random_end = false;
  for (const FrameIndex& goal : drawn[0]) {
    EXPECT_LT(goal.clip, 3);
    EXPECT_GE(goal.frame, kLength - 2);
  }
  for (const FrameIndex& other : drawn[1]) {
    const bool good = other.clip < 3;
    EXPECT_LT(other.frame, good ? kLength - 2 : kLength);
    random_end |= !good;
  }
  EXPECT_TRUE(random_end);
}

TEST(LifsTest, SamplesShowEqualSharesOfDifferentClips) {
  const auto drawn = Draw("{method: lifs, clip_frames: 5}", 64).parts;
  for (size_t i = 0; i < drawn.size(); ++i) {
    for (size_t j = 0; j < 5; ++j) EXPECT_EQ(drawn[i][j].frame, drawn[0][j].frame);
    EXPECT_NE(drawn[i][0].clip, drawn[(i / 5 * 5 + (i + 1) % 5) % 64][0].clip);
  }
}

TEST(SequencesTest, ASampleIsAugmentedAlike) {
  // A shift moves all frames of a still sample alike, or each on its own.
  for (const bool shared : {true, false}) {
    const PretrainOptions options =
        With(TinyOptions("vip"),
             fmt::format("{{shared_augment: {}, augment: {{preset: none, shift: 6}}}}", shared));
    ClipSet clips = Squares(2);
    for (Clip& clip : clips.clips) clip.frames.copy_(clip.frames.slice(0, 0, 1).clone());
    Rng rng(4);
    Rng net_rng(3);
    const auto method =
        PretrainMethods().Make("vip", options, MakeEncoderNet(TinySpec(), net_rng), net_rng);
    method->Prepare(clips, {});
    const torch::Tensor views = method->Views(clips, rng).tensors.at("views").view({8, 4, -1});
    const bool alike = views.eq(views.slice(1, 0, 1)).all().item<bool>();
    EXPECT_EQ(alike, shared);
    EXPECT_FALSE(views.eq(views.slice(0, 0, 1)).all().item<bool>());
  }
}

TEST(SequencesTest, BackwardStacksShowWhatFollows) {
  const ClipSet clips = CodedClips();
  EncoderSpec spec = TinySpec();
  spec.frame_stack = 3;
  const std::vector<FrameIndex> frames = {{1, 10, true}, {1, 28, true}, {1, 10, false}};
  const torch::Tensor views = PlainViews(clips, frames, spec);
  const auto shown = [&](int64_t row) {
    std::vector<int64_t> result;
    for (int64_t s = 0; s < 3; ++s) {
      result.push_back(std::llround(views[row][3 * s + 1][0][0].item<double>() * 255 / 5));
    }
    return result;
  };
  EXPECT_EQ(shown(0), (std::vector<int64_t>{12, 11, 10}));
  EXPECT_EQ(shown(1), (std::vector<int64_t>{29, 29, 28}));
  EXPECT_EQ(shown(2), (std::vector<int64_t>{8, 9, 10}));
}

TEST(VipTest, RewoundStretchesGoTheOtherWay) {
  const auto drawn = Draw("{method: vip, rewind: 1}", 1).parts[0];
  for (size_t i = 0; i < drawn.size(); i += 4) {
    EXPECT_GT(drawn[i].frame, drawn[i + 1].frame);          // the goal lies before the start
    EXPECT_EQ(drawn[i + 3].frame, drawn[i + 2].frame - 1);  // and the next frame before this
    EXPECT_LE(drawn[i + 2].frame, drawn[i].frame);
    EXPECT_GE(drawn[i + 3].frame, drawn[i + 1].frame);
  }
}

}  // namespace
}  // namespace v2r
