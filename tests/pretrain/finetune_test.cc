// The evaluator that fine-tunes.
#include "pretrain/finetune.h"

#include <gmock/gmock.h>

#include <functional>
#include <map>

#include "core/torch_rng.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

class FinetuneTest : public ::testing::Test {
 protected:
  FinetuneTest() {
    PretrainOptions options = TinyOptions("simclr", 2);
    options.projection_layers = 3;
    Pretrain(options, TinySpec(), ColouredSquares(), encoder_, kCpu);
    base_.epochs = 2;
    base_.batch_size = 8;
    base_.label_fractions = {0.5};
    data_ = MakeLabelledData(ColouredSquares(36, 0, 1), ColouredSquares(40, 0, 1));
  }
  std::vector<double> Score(const FinetuneOptions& options, int64_t seed = 1) {
    return FinetuneAccuracies(encoder_, data_, options, seed, kCpu);
  }

  TempFolder folder_;
  std::filesystem::path encoder_ = folder_ / "encoder.safetensors";
  FinetuneOptions base_;
  LabelledData data_;
};

TEST_F(FinetuneTest, LearnsAndLeavesTheFileAlone) {
  const std::string before = ReadFile(encoder_);
  FinetuneOptions options = base_;
  options.epochs = 30;
  options.learning_rate = 3e-3;
  options.label_fractions = {0.5, 1};
  const auto accuracies = Score(options);
  ASSERT_EQ(accuracies.size(), 2u);
  EXPECT_GT(accuracies[0], 80);
  EXPECT_GT(accuracies[1], 95);
  EXPECT_EQ(ReadFile(encoder_), before);
  EXPECT_EQ(Score(options), accuracies);
}

// Noise with labels drawn at random: any change of the weights changes who is told rightly.
ClipSet Noise(int64_t count, uint64_t seed) {
  ClipSet set;
  set.classes = {"a", "b"};
  Rng rng(seed);
  for (int64_t i = 0; i < count; ++i) {
    const auto picture = (RandomUniform(rng, {1, 32, 32, 3}) * 255).to(torch::kByte);
    set.clips.push_back({fmt::format("{}", i), "good", picture, 0, static_cast<int64_t>(i % 2)});
  }
  return set;
}

TEST_F(FinetuneTest, EveryKeyChangesSomething) {
  data_ = MakeLabelledData(Noise(40, 1), Noise(500, 2));
  base_.label_fractions = {0.5, 1};
  const auto base = Score(base_);
  EXPECT_EQ(Score(base_), base);
  const std::map<std::string, std::function<void(FinetuneOptions&)>> changes = {
      {"epochs", [](auto& o) { o.epochs = 3; }},
      {"label_fractions",
       [](auto& o) {
         o.label_fractions = {0.4, 1};
       }},
      {"batch_size", [](auto& o) { o.batch_size = 4; }},
      {"learning_rate", [](auto& o) { o.learning_rate = 3e-3; }},
      {"weight_decay", [](auto& o) { o.weight_decay = 100; }},
      {"layer_decay", [](auto& o) { o.layer_decay = 0.5; }},
      {"ft_proj_selector", [](auto& o) { o.ft_proj_selector = 1; }},
      {"augment", [](auto& o) { o.augment = AugmentOptions::Preset("none"); }}};
  for (const auto& [key, change] : changes) {
    FinetuneOptions options = base_;
    change(options);
    EXPECT_NE(Score(options), base) << key;
  }
  for (const FieldDoc& row : Describe(FinetuneOptions{})) {
    EXPECT_TRUE(changes.contains(row.path.substr(0, row.path.find('.')))) << row.path;
  }
  EXPECT_NE(Score(base_, 2), base) << "seed";
}

TEST_F(FinetuneTest, FilmsAreToldByTheirClip) {
  data_ = MakeLabelledData(Squares(3, 0, 10), {});
  FinetuneOptions options = base_;
  options.epochs = 40;
  options.learning_rate = 3e-3;
  options.label_fractions = {1};
  EXPECT_GT(Score(options)[0], 60);
}

TEST_F(FinetuneTest, WhatCannotBeTunedIsRefused) {
  FinetuneOptions options = base_;
  options.label_fractions = {0.1, 0};
  EXPECT_THAT(UserMessage([&] { Score(options); }), HasSubstr("label_fractions: 0 is not in"));
}

}  // namespace
}  // namespace v2r
