// What the trainer adds to the methods: the start, freezing, starting from a file, the collapse
// alarm.
#include <gmock/gmock.h>

#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

torch::Tensor EmbedAll(const std::filesystem::path& path, const ClipSet& clips) {
  const Encoder encoder = LoadEncoder(path, kCpu, "float32");
  std::vector<torch::Tensor> parts;
  for (const Clip& clip : clips.clips) parts.push_back(encoder.Embed(clip.frames));
  return torch::cat(parts);
}

class TrainerTest : public ::testing::Test {
 protected:
  std::filesystem::path Train(const PretrainOptions& options, const std::string& name = "encoder",
                              const EncoderSpec& spec = TinySpec(),
                              const ClipSet& clips = Squares()) {
    const auto path = folder_ / (name + ".safetensors");
    result_ = Pretrain(options, spec, clips, path, kCpu);
    return path;
  }
  TempFolder folder_;
  PretrainResult result_;
};

TEST_F(TrainerTest, NoIterationsWriteAnInitialisedNetOfZeroMeanAndUnitDeviation) {
  for (const char* arch : {"conv4", "resnet18"}) {
    EncoderSpec spec = TinySpec();
    spec.arch = arch;
    spec.width = arch == std::string("resnet18") ? 0.0625 : 0.25;
    const auto path = Train(TinyOptions("ranking", 0), arch, spec);
    const torch::Tensor z = EmbedAll(path, Squares());
    EXPECT_LT(z.mean(0).abs().max().item<double>(), 2e-3) << arch;
    EXPECT_LT((z.std(0, /*unbiased=*/false) - 1).abs().max().item<double>(), 2e-3) << arch;
    EXPECT_NEAR(result_.final_metrics.at("pretrain/embedding_std"), 1, 2e-3) << arch;
    const Encoder encoder = LoadEncoder(path, kCpu, "float32");
    EXPECT_TRUE(encoder.HeadNames().empty());  // an untrained head is worth nothing
    EXPECT_EQ(encoder.info().at("iterations"), "0");
  }
}

TEST_F(TrainerTest, ClipsAreShrunkAsTheEncoderShrinksThem) {
  const PretrainOptions options = TinyOptions("tcn", 0);
  const ClipSet large = Squares(4, 0, 16, 80);
  const torch::Tensor z = EmbedAll(Train(options, "large", TinySpec(), large), large);
  EXPECT_LT((z.std(0, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-2);
}

TEST_F(TrainerTest, AFrozenEncoderStaysAndItsHeadSeesStandardisedFeatures) {
  PretrainOptions options = TinyOptions("ranking", 30);
  options.freeze_encoder = true;
  options.data_dependent_init = false;  // so that standardisation has something to do
  const auto frozen = Tensors(Train(options, "frozen"));
  options.iterations = 0;
  const auto start = Tensors(Train(options, "start"));
  EXPECT_TRUE(SameBits(Under(frozen, "net"), start.empty() ? start : Under(start, "net")));

  const torch::Tensor z = EmbedAll(folder_ / "frozen.safetensors", Squares());
  const TensorDict head = ToTensors(Under(frozen, "head.rank"));
  EXPECT_LT((head.at("mean") - z.mean(0)).abs().max().item<double>(), 1e-4);
  EXPECT_LT((head.at("deviation") - z.std(0, /*unbiased=*/false)).abs().max().item<double>(), 1e-4);
}

TEST_F(TrainerTest, AFrozenRandomEncoderWithARankHeadOrdersFrames) {
  PretrainOptions options = TinyOptions("ranking", 200);
  options.freeze_encoder = true;
  options.batch_size = 16;
  options.learning_rate = 0.01;
  options.augment = AugmentOptions::Preset("none");
  Train(options);
  EXPECT_GT(result_.final_metrics.at("pretrain/ordered"), 0.8);
}

TEST_F(TrainerTest, StartingFromAFileTakesItsWeightsAndItsSpec) {
  EncoderSpec spec = TinySpec();
  spec.pooling = "avg";
  const auto first = Train(TinyOptions("tcn", 4), "first", spec);
  PretrainOptions options = TinyOptions("tcn", 0);
  options.init_from = first.string();
  options.seed = 9;
  const auto second = Train(options, "second", EncoderSpec{});
  EXPECT_TRUE(SameBits(Under(Tensors(first), "net"), Under(Tensors(second), "net")));
  EXPECT_EQ(LoadEncoder(second, kCpu, "float32").spec().pooling, "avg");
  EXPECT_EQ(LoadEncoder(second, kCpu, "float32").info().at("init_from"), "first.safetensors");
}

TEST_F(TrainerTest, HeadsOfAFileLiveAsLongAsItsEncoderIsFrozen) {
  EncoderSpec spec = TinySpec();
  spec.metric = "cosine";
  Rng rng(3);
  const auto start = folder_ / "start.safetensors";
  const auto other =
      std::make_shared<HeadImpl>(HeadSpec{.in_dim = 16, .hidden = {}, .out_dim = 2}, rng);
  SaveEncoder(start, *MakeEncoderNet(spec, rng), {{"other", other}}, {});
  PretrainOptions options = TinyOptions("ranking");
  options.init_from = start.string();
  const Encoder trained = LoadEncoder(Train(options, "trained", EncoderSpec{}), kCpu, "float32");
  EXPECT_EQ(trained.HeadNames(), (std::vector<std::string>{"rank"}));
  EXPECT_EQ(trained.spec().metric, "l2");
  options.freeze_encoder = true;
  const Encoder frozen = LoadEncoder(Train(options, "frozen", EncoderSpec{}), kCpu, "float32");
  EXPECT_EQ(frozen.HeadNames(), (std::vector<std::string>{"other", "rank"}));
  EXPECT_EQ(frozen.spec().metric, "cosine");
}

// Every target distance is nil, so everything moves together.
TEST_F(TrainerTest, ACollapseIsNamedOnce) {
  PretrainOptions options = TinyOptions("tdist", 300);
  options.distance_scale = 1e9;
  options.learning_rate = 1e-2;
  options.log_every = 10;
  LogCapture log;
  Train(options);
  EXPECT_EQ(result_.final_metrics.at("pretrain/collapsed"), 1);
  const std::string text = log.text();
  const size_t first = text.find("collapsed");
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("collapsed", first + 1), std::string::npos) << text;
}

TEST_F(TrainerTest, ASceneWithoutMotionIsACollapse) {
  ClipSet clips = Squares(2);
  for (Clip& clip : clips.clips) clip.frames.fill_(77);
  LogCapture log;
  Train(TinyOptions("tcn", 0), "still", TinySpec(), clips);
  EXPECT_THAT(log.text(), HasSubstr("effective dimensions 0.00"));
}

// Without the data-dependent start all embeddings of one scene share a mean: fatal for angles only.
TEST_F(TrainerTest, OneDirectionForAllIsACollapseOfTheCosineMetric) {
  PretrainOptions options = TinyOptions("tcn", 0);
  options.data_dependent_init = false;
  for (const bool cosine : {true, false}) {
    EncoderSpec spec = TinySpec();
    spec.metric = cosine ? "cosine" : "l2";
    LogCapture log;
    Train(options, spec.metric, spec);
    EXPECT_LT(result_.final_metrics.at("pretrain/embedding_spread"), 0.02);
    EXPECT_EQ(log.text().find("point one way") != std::string::npos, cosine);
  }
}

TEST_F(TrainerTest, AHealthyRunRaisesNoAlarm) {
  PretrainOptions options = TinyOptions("tdist", 60);
  options.batch_size = 16;
  LogCapture log;
  Train(options);
  EXPECT_EQ(result_.final_metrics.at("pretrain/collapsed"), 0);
  EXPECT_THAT(log.text(), Not(HasSubstr("collapsed")));
}

// Steps and batches take turns, each with all of torch's threads; equal numbers of them give equal
// bits.
TEST_F(TrainerTest, TorchsThreadsAreLeftAlone) {
  at::set_num_threads(2);
  const auto one = Train(TinyOptions("tcn", 4), "one");
  const auto again = Train(TinyOptions("tcn", 4), "again");
  EXPECT_EQ(ReadFile(one), ReadFile(again));
  EXPECT_EQ(at::get_num_threads(), 2);
  PretrainOptions wrong = TinyOptions("tcn", 20);
  wrong.learning_rate = 1e30;
  wrong.optimizer = "sgd";
  EXPECT_THROW(Train(wrong, "wrong"), UserError);
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(1);
}

TEST_F(TrainerTest, TheStepSizeFollowsWarmUpAndSchedule) {
  PretrainOptions options = TinyOptions("tcn", 6);
  options.warmup_iterations = 2;
  options.schedule = "linear";
  options.learning_rate = 0.4;
  options.optimizer = "lars";
  options.log_every = 1;
  std::vector<double> rates;
  Pretrain(
      options, TinySpec(), Squares(), folder_ / "e.safetensors", kCpu,
      {[&](int64_t, const Metrics& row) { rates.push_back(row.at("pretrain/learning_rate")); }});
  const std::vector<double> expected = {0, 0.2, 0.4, 0.3, 0.2, 0.1};
  ASSERT_EQ(rates.size(), expected.size());
  for (size_t i = 0; i < rates.size(); ++i) EXPECT_NEAR(rates[i], expected[i], 1e-12) << i;
}

}  // namespace
}  // namespace v2r
