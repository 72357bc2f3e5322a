// Scores of a representation, and the monitor that looks at them while training.
#include "pretrain/evaluate.h"

#include <gmock/gmock.h>

#include <functional>

#include "core/torch_rng.h"
#include "pretrain/monitor.h"
#include "pretrain/pictures.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Pictures of three colours, a little noise on each: [count] of size 32.
ClipSet Colours(int64_t count, uint64_t seed = 1) {
  ClipSet set;
  set.classes = {"red", "green", "blue"};
  Rng rng(seed);
  for (int64_t i = 0; i < count; ++i) {
    torch::Tensor picture = torch::full({1, 32, 32, 3}, 60, torch::kByte);
    picture.select(3, i % 3).fill_(static_cast<int64_t>(150 + rng.Below(80)));
    set.clips.push_back({fmt::format("{}", i), "good", picture, 0, i % 3});
  }
  return set;
}

TEST(MakeLabelledData, PicturesKeepTheirClasses) {
  const LabelledData data = MakeLabelledData(Colours(7), Colours(4, 2));
  EXPECT_FALSE(data.pseudo);
  EXPECT_EQ(data.train.size(), 7);
  EXPECT_EQ(data.test.size(), 4);
  EXPECT_TRUE(torch::equal(data.test.targets, torch::tensor({0, 1, 2, 0})));
}

TEST(MakeLabelledData, AClipIsAClassAndItsMiddleTheTest) {
  const LabelledData data = MakeLabelledData(Squares(3, 0, 10), {});
  EXPECT_TRUE(data.pseudo);
  EXPECT_THAT(data.classes, ElementsAre("good/0", "good/1", "good/2"));
  EXPECT_THAT(data.test.frame, ElementsAre(4, 5, 4, 5, 4, 5));
  EXPECT_EQ(data.train.size(), 24);
  EXPECT_TRUE(torch::equal(data.test.targets, torch::tensor({0, 0, 1, 1, 2, 2})));
}

TEST(MakeLabelledData, WhatCannotBeEvaluatedIsRefused) {
  EXPECT_THAT(UserMessage([] { MakeLabelledData(Squares(1), {}); }), HasSubstr("two classes"));
  EXPECT_THAT(UserMessage([] { MakeLabelledData(Squares(2), Colours(3)); }),
              HasSubstr("leave test_data out"));
  EXPECT_THAT(UserMessage([] { MakeLabelledData(Squares(3, 0, 1), {}); }),
              HasSubstr("no test pictures"));
  ClipSet other = Colours(3);
  other.classes = {"red", "blue", "green"};
  EXPECT_THAT(UserMessage([&] { MakeLabelledData(Colours(3), other); }), HasSubstr("classes"));
  ClipSet unlabelled = Colours(3);
  unlabelled.clips[1].target = -1;
  EXPECT_THAT(UserMessage([&] { MakeLabelledData(Colours(3), unlabelled); }),
              HasSubstr("no labels (picture 1)"));
}

TEST(EmbedFrames, IsTheEncoderOnEachPictureAndStack) {
  EncoderSpec spec = TinySpec();
  for (const int64_t stack : {1, 2}) {
    spec.frame_stack = stack;
    Rng rng(1);
    const Encoder encoder = MakeEncoder(MakeEncoderNet(spec, rng), {}, kCpu, "float32");
    const LabelledData data = MakeLabelledData(Squares(3, 0, 10), {});
    const torch::Tensor z = EmbedFrames(encoder, data.train, "squares");
    ASSERT_EQ(z.sizes(), (std::vector<int64_t>{24, 16}));
    for (const int64_t i : {0, 9, 23}) {
      const torch::Tensor& clip = data.train.clips.clips[data.train.clip[i]].frames;
      const int64_t t = data.train.frame[i];
      const auto picture =
          stack == 1 ? clip[t] : torch::stack({clip[std::max<int64_t>(0, t - 1)], clip[t]});
      EXPECT_LT((z[i] - encoder.Embed(picture.unsqueeze(0))[0]).abs().max().item<double>(), 1e-5);
    }
  }
}

TEST(ScoreEmbedding, SeparatedClassesScoreHighAndNoiseAtChance) {
  Rng rng(1);
  const auto targets = torch::arange(300).remainder(3);
  const auto embed = [&](double apart) {
    return RandomNormal(rng, {300, 8}) + torch::eye(3, 8).index_select(0, targets) * apart;
  };
  const Scores good = ScoreEmbedding("good", embed(8), targets, embed(8), targets, 3, {});
  EXPECT_THAT(good.knn, ElementsAre(::testing::Gt(95), ::testing::Gt(90)));
  EXPECT_GT(good.linear, 95);
  EXPECT_GT(good.normalized_std, 0.5);
  const Scores noise = ScoreEmbedding("noise", embed(0), targets, embed(0), targets, 3, {});
  EXPECT_LT(noise.knn[0], 50);
  EXPECT_LT(noise.linear, 50);
  EXPECT_GT(noise.effective_dims, 6);
}

TEST(ScoreEmbedding, EveryKeyIsRead) {
  Rng rng(1);
  const auto targets = torch::arange(120).remainder(3);
  const auto x = RandomNormal(rng, {120, 8}) + torch::eye(3, 8).index_select(0, targets) * 0.7;
  const auto y = RandomNormal(rng, {120, 8}) + torch::eye(3, 8).index_select(0, targets) * 0.7;
  const auto print = [&](const EvaluateOptions& o) {
    const Scores s = ScoreEmbedding("", x, targets, y, targets, 3, o);
    return fmt::format("{} {}", fmt::join(s.knn, " "), s.linear_train + 1000 * s.linear);
  };
  EvaluateOptions base;
  base.linear.recipe = "moco";
  base.linear.epochs = 1;
  base.linear.batch_size = 8;
  const std::map<std::string, std::function<void(EvaluateOptions&)>> changes = {
      {"seed", [](auto& o) { o.seed = 2; }},
      {"knn_k",
       [](auto& o) {
         o.knn_k = {1, 200};
       }},
      {"knn_temperature",
       [](auto& o) {
         o.knn_temperature = {50, 50};
       }},
      {"linear", [](auto& o) { o.linear = {}; }}};
  for (const auto& [key, change] : changes) {
    EvaluateOptions options = base;
    change(options);
    EXPECT_NE(print(options), print(base)) << key;
  }
  for (const FieldDoc& row : Describe(EvaluateOptions{})) {
    // Fine-tuning is not of embeddings: pretrain/finetune.h.
    if (row.path.starts_with("finetune.")) continue;
    EXPECT_TRUE(changes.contains(row.path.substr(0, row.path.find('.')))) << row.path;
  }
  base.knn_temperature = {1};
  EXPECT_THAT(UserMessage([&] { print(base); }), HasSubstr("one temperature for each k"));
  base.knn_temperature = {1, 0};
  EXPECT_THAT(UserMessage([&] { print(base); }), HasSubstr("knn_temperature: 0"));
  base.knn_k = {1, 0};
  EXPECT_THAT(UserMessage([&] { print(base); }), HasSubstr("knn_k: 0"));
}

TEST(NearestRows, AreThoseOfSmallestAngle) {
  const auto train = torch::tensor({{1.f, 0.f}, {0.f, 5.f}, {-1.f, 0.f}, {3.f, 3.f}});
  const auto query = torch::tensor({{2.f, 1.f}});
  EXPECT_TRUE(torch::equal(NearestRows(train, query, 3), torch::tensor({{3, 0, 1}})));
  EXPECT_EQ(NearestRows(train, query, 9).size(1), 4);
}

TEST(PrincipalPlane, TheLongestDirectionsFirst) {
  Rng rng(1);
  const auto z = RandomNormal(rng, {500, 4}) * torch::tensor({0.1f, 5.f, 0.2f, 1.f}) + 3;
  const auto plane = PrincipalPlane(z);
  EXPECT_LT(
      (plane.select(1, 0) - (z.select(1, 1) - z.select(1, 1).mean())).abs().max().item<double>(),
      0.5);
  EXPECT_NEAR(plane.select(1, 1).std().item<double>(), 1, 0.15);
  EXPECT_LT(plane.mean(0).abs().max().item<double>(), 1e-4);
  EXPECT_EQ(PrincipalPlane(z.slice(1, 0, 1)).select(1, 1).abs().max().item<double>(), 0);
}

// ---- the monitor

TEST(ClassMonitor, KeepsATenthOfLabelledPicturesApart) {
  const ClipSet all = Colours(60);
  ClipSet clips = all;
  const auto monitor = ClassMonitor::Take(clips, 256, TinySpec(), Rng(1), kCpu);
  ASSERT_TRUE(monitor.has_value());
  EXPECT_EQ(clips.clips.size(), 54u);
  EXPECT_EQ(clips.classes, all.classes);
  ClipSet again = all, other = all;
  ClassMonitor::Take(again, 256, TinySpec(), Rng(1), kCpu);
  ClassMonitor::Take(other, 256, TinySpec(), Rng(2), kCpu);
  const auto names = [](const ClipSet& set) {
    std::string names;
    for (const Clip& clip : set.clips) names += clip.name + " ";
    return names;
  };
  EXPECT_EQ(names(again), names(clips));
  EXPECT_NE(names(other), names(clips));
}

TEST(ClassMonitor, TellsColoursAndSeesACollapse) {
  ClipSet clips = Colours(300);
  const auto monitor = ClassMonitor::Take(clips, 256, TinySpec(), Rng(1), kCpu);
  Rng rng(1);
  const EncoderNet net = MakeEncoderNet(TinySpec(), rng);
  const Metrics plain = monitor->Measure(*net, false);
  EXPECT_GT(plain.at("pretrain/knn_acc"), 0.9);
  EXPECT_FALSE(plain.contains("pretrain/linear_acc"));
  EXPECT_GT(monitor->Measure(*net, true).at("pretrain/linear_acc"), 0.9);
  EXPECT_TRUE(net->is_training()) << "the mode is as before";
  const torch::NoGradGuard no_grad;
  net->last_linear()->weight.zero_();
  const Metrics collapsed = monitor->Measure(*net, true);
  EXPECT_LT(collapsed.at("pretrain/knn_acc"), 0.6);
  EXPECT_LT(collapsed.at("pretrain/linear_acc"), 0.6);
}

TEST(ClassMonitor, ClipsWithoutClassesAreTheirOwn) {
  ClipSet clips = Squares(4, 0, 20);
  const auto monitor = ClassMonitor::Take(clips, 64, TinySpec(), Rng(1), kCpu);
  ASSERT_TRUE(monitor.has_value());
  EXPECT_EQ(clips.TotalFrames(), 80) << "all of them are learnt from";
  Rng rng(1);
  const double accuracy =
      monitor->Measure(*MakeEncoderNet(TinySpec(), rng), false).at("pretrain/knn_acc");
  EXPECT_GT(accuracy, 0.2);
  EXPECT_LE(accuracy, 1);
  ClipSet one = Squares(1);
  EXPECT_FALSE(ClassMonitor::Take(one, 64, TinySpec(), Rng(1), kCpu).has_value());
  ClipSet few = Colours(9);  // a tenth is nothing
  EXPECT_FALSE(ClassMonitor::Take(few, 64, TinySpec(), Rng(1), kCpu).has_value());
  EXPECT_EQ(few.clips.size(), 9u);
}

// Labelled pictures through the whole of pretraining.
TEST(PretrainOnPictures, ReportsTheMonitorsAndEmbeds) {
  const TempFolder folder;
  PretrainOptions options = TinyOptions("simclr", 4);
  options.log_every = 2;
  options.monitor_linear = true;
  std::vector<Metrics> rows;
  const auto path = folder / "encoder.safetensors";
  Pretrain(options, TinySpec(), Colours(60), path, kCpu,
           {[&](int64_t, const Metrics& row) { rows.push_back(row); }});
  ASSERT_EQ(rows.size(), 2u);
  for (const Metrics& row : rows) {
    EXPECT_TRUE(row.contains("pretrain/knn_acc"));
    EXPECT_TRUE(row.contains("pretrain/linear_acc"));
  }
  EXPECT_EQ(LoadEncoder(path, kCpu, "float32").info().at("frames"), "54");
}

TEST(PretrainOnPictures, MethodsThatNeedTimeSaySo) {
  const TempFolder folder;
  for (const char* method : {"tcn", "tdist", "ranking"}) {
    const std::string message = UserMessage([&] {
      Pretrain(TinyOptions(method), TinySpec(), Colours(60), folder / "e.safetensors", kCpu);
    });
    EXPECT_THAT(message, HasSubstr("needed, the longest has 1")) << method << ": " << message;
  }
}

}  // namespace
}  // namespace v2r
