// Every alarm of training by itself: what sets it off, what it says, and that it says so once.
#include <gmock/gmock.h>

#include "core/torch_rng.h"
#include "pretrain/dino.h"
#include "pretrain/probe.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A network whose last layer is ours, on pictures of noise.
class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() {
    Rng rng(4);
    net_ = MakeEncoderNet(TinySpec(), rng);
    pictures_ = RandomNormal(rng, {40, 3, 32, 32});
    DataDependentInit(*net_, pictures_);
  }
  void Change(const std::function<void(torch::nn::LinearImpl&)>& change) {
    const torch::NoGradGuard no_grad;
    change(*net_->last_linear());
  }
  EncoderNet net_;
  torch::Tensor pictures_;
};

TEST_F(ProbeTest, AHealthyEmbeddingIsQuiet) {
  LogCapture log;
  EmbeddingProbe probe(pictures_, "cosine");
  const Metrics row = probe.Measure(*net_);
  EXPECT_EQ(row.at("pretrain/collapsed"), 0);
  EXPECT_NEAR(row.at("pretrain/embedding_std"), 1, 1e-3);
  EXPECT_GT(row.at("pretrain/effective_dims"), 2);
  EXPECT_GT(row.at("pretrain/embedding_spread"), 0.5);
  EXPECT_THAT(log.text(), Not(HasSubstr("collapsed")));
}

TEST_F(ProbeTest, FewerThanTwoDimensions) {
  LogCapture log;
  EmbeddingProbe probe(pictures_, "l2");
  Change([](auto& fc) { fc.weight.copy_(fc.weight[0].expand_as(fc.weight).clone()); });
  const Metrics row = probe.Measure(*net_);
  EXPECT_NEAR(row.at("pretrain/effective_dims"), 1, 1e-3);
  EXPECT_EQ(row.at("pretrain/collapsed"), 1);
  EXPECT_THAT(log.text(), HasSubstr("has collapsed: effective dimensions 1.00 < 2"));
}

TEST_F(ProbeTest, AHundredthOfTheFirstDeviation) {
  LogCapture log;
  EmbeddingProbe probe(pictures_, "l2");
  probe.Measure(*net_);
  Change([](auto& fc) { fc.weight.mul_(0.011); });
  EXPECT_EQ(probe.Measure(*net_).at("pretrain/collapsed"), 0);
  Change([](auto& fc) { fc.weight.mul_(0.5); });
  const Metrics row = probe.Measure(*net_);
  EXPECT_NEAR(row.at("pretrain/embedding_std"), 0.0055, 1e-4);
  EXPECT_EQ(row.at("pretrain/collapsed"), 1);
  probe.Measure(*net_);
  const std::string text = log.text();
  const size_t first = text.find("embedding deviation 0.0055, 1 at the start");
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("collapsed", first), std::string::npos) << text;
}

TEST_F(ProbeTest, OneDirectionCountsForTheCosineAlone) {
  Change([](auto& fc) { fc.bias.add_(1000); });
  for (const bool cosine : {true, false}) {
    LogCapture log;
    EmbeddingProbe probe(pictures_, cosine ? "cosine" : "l2");
    const Metrics row = probe.Measure(*net_);
    EXPECT_LT(row.at("pretrain/embedding_spread"), 0.02);
    EXPECT_EQ(row.at("pretrain/collapsed"), cosine ? 1 : 0);
    EXPECT_EQ(log.text().find("all embeddings point one way") != std::string::npos, cosine);
  }
}

TEST_F(ProbeTest, WhatIsNotANumberIsAnError) {
  EmbeddingProbe probe(pictures_, "l2");
  Change([](auto& fc) { fc.bias[3] = std::nan(""); });
  EXPECT_THAT(UserMessage([&] { probe.Measure(*net_); }),
              AllOf(HasSubstr("infinite or NaN"), HasSubstr("learning_rate")));
}

// The loss is looked at before a step; what the last step did shows in the embedding, and no file
// is written.
TEST(GuardsTest, WeightsThatRanAwayInTheLastStepWriteNoFile) {
  const TempFolder folder;
  PretrainOptions options = TinyOptions("tdist", 1);
  options.optimizer = "sgd";
  options.learning_rate = 1e30;
  EXPECT_THAT(UserMessage([&] {
                Pretrain(options, TinySpec(), Squares(), folder / "e.safetensors", kCpu);
              }),
              HasSubstr("weights have run away"));
  EXPECT_FALSE(std::filesystem::exists(folder / "e.safetensors"));
}

TEST(GuardsTest, TargetWatchNamesEachCollapseOnceAndOnlyAfterFiftyBatches) {
  const double most = std::log(32.0);
  const auto said = [&](double entropy, double mean_entropy, int batches) {
    LogCapture log;
    TargetWatch watch(32);
    for (int i = 0; i < batches; ++i) watch.Add(entropy, mean_entropy);
    return log.text();
  };
  EXPECT_EQ(said(most, most, 49), "");
  const std::string uniform = said(most * 0.995, most, 150);
  EXPECT_THAT(uniform, AllOf(HasSubstr("uniform targets"), HasSubstr("ln(out_dim) = 3.466")));
  EXPECT_EQ(uniform.find("uniform targets"), uniform.rfind("uniform targets"));
  EXPECT_EQ(said(most * 0.985, most, 150), "");
  EXPECT_THAT(said(0, most * 0.005, 50), HasSubstr("one output for all samples"));
  EXPECT_EQ(said(0, most * 0.02, 150), "");
}

}  // namespace
}  // namespace v2r
