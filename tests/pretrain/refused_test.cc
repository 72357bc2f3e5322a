// Settings that make no sense are refused with a message that names the key and what to do.
#include <gmock/gmock.h>

#include "core/interrupt.h"
#include "pretrain/checkpoint.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RefusedTest : public ::testing::Test {
 protected:
  std::string Message(const PretrainOptions& options, const ClipSet& clips = Squares(),
                      const EncoderSpec& spec = TinySpec()) {
    const std::string message =
        UserMessage([&] { Pretrain(options, spec, clips, folder_ / "encoder.safetensors", kCpu); });
    EXPECT_FALSE(std::filesystem::exists(folder_ / "encoder.safetensors"));
    return message;
  }
  TempFolder folder_;
};

TEST_F(RefusedTest, UnknownNames) {
  EXPECT_THAT(Message(TinyOptions("rankin")),
              AllOf(HasSubstr("rankin"), HasSubstr("did you mean 'ranking'")));
  PretrainOptions options = TinyOptions("tcn");
  options.optimizer = "adamv";
  EXPECT_THAT(Message(options), AllOf(HasSubstr("pretrain.optimizer"), HasSubstr("adamw")));
}

TEST_F(RefusedTest, LabelsThatNoClipHas) {
  PretrainOptions options = TinyOptions("tcn");
  options.labels = {"good", "randm"};
  EXPECT_THAT(
      Message(options, Squares(2, 2)),
      AllOf(HasSubstr("'randm'"), HasSubstr("did you mean 'random'"), HasSubstr("good, random")));
  options.labels = {};
  EXPECT_THAT(Message(options), HasSubstr("pretrain.labels is empty"));
  options.labels = {"random"};
  EXPECT_THAT(Message(options, Squares(2, 0)), HasSubstr("no clip is labelled 'random'"));
  // Somebody's own videos have no random clips: the others are enough.
  options.labels = {"good", "random"};
  Pretrain(options, TinySpec(), Squares(2, 0), folder_ / "fine.safetensors", kCpu);
}

TEST_F(RefusedTest, NothingLeftToTrain) {
  for (const char* method : {"simclr", "tcn", "tdist", "vip", "tcc", "r3m", "lifs"}) {
    PretrainOptions options = TinyOptions(method);
    options.freeze_encoder = true;
    EXPECT_THAT(Message(options),
                AllOf(HasSubstr("freeze_encoder"), HasSubstr(method), HasSubstr("ranking")));
  }
}

TEST_F(RefusedTest, NumbersThatContradictEachOther) {
  PretrainOptions warm = TinyOptions("tcn");
  warm.warmup_iterations = 3;
  EXPECT_THAT(Message(warm), AllOf(HasSubstr("warmup_iterations=3"), HasSubstr("iterations=3")));
  PretrainOptions windows = TinyOptions("tcn");
  windows.positive_window = 6;
  EXPECT_THAT(Message(windows),
              AllOf(HasSubstr("negative_window=5"), HasSubstr("positive_window=6")));
  PretrainOptions prime = TinyOptions("tcn");
  prime.tcn_loss = "xirl";
  prime.batch_size = 17;
  EXPECT_THAT(Message(prime), AllOf(HasSubstr("batch_size=17"), HasSubstr("multiple of 16")));
  PretrainOptions large = TinyOptions("simclr");
  large.batch_size = 200;
  EXPECT_THAT(Message(large), AllOf(HasSubstr("batch_size=200"), HasSubstr("96")));
  PretrainOptions head = TinyOptions("ranking");
  head.rank_hidden = {8, 0};
  EXPECT_THAT(Message(head), HasSubstr("rank_hidden"));
}

TEST_F(RefusedTest, SequencesThatDoNotFit) {
  EXPECT_THAT(Message(With(TinyOptions("tcc"),
                           "{batch_size: 2, tcc: {stochastic_matching: true, cycle_length: 3}}")),
              AllOf(HasSubstr("pretrain.tcc.cycle_length=3"), HasSubstr("batch_size=2")));
  EXPECT_THAT(Message(With(TinyOptions("tcn"), "{tcn_loss: xirl_hinge, clip_frames: 11}")),
              AllOf(HasSubstr("pretrain.clip_frames=11"), HasSubstr("clip_frames=12")));
  for (const char* method : {"tcc", "lifs"}) {
    EXPECT_THAT(Message(With(TinyOptions(method), "clip_frames: 17")),
                AllOf(HasSubstr("clip_frames"), HasSubstr("17 frames"), HasSubstr("has 16")));
    EXPECT_THAT(Message(TinyOptions(method), Squares(1)), HasSubstr("2 or more clips"));
  }
  EXPECT_THAT(Message(With(TinyOptions("goal_classifier"), "goal_frames: 16")),
              HasSubstr("pretrain.goal_frames=16"));
  EXPECT_THAT(Message(With(TinyOptions("goal_classifier"), "labels: [random]"), Squares(0, 4)),
              HasSubstr("pretrain.labels"));
  EXPECT_THAT(Message(With(TinyOptions("progress"), "progress: {hidden: [0]}")),
              HasSubstr("pretrain.progress.hidden"));
}

TEST_F(RefusedTest, AFilmRunBackwardThatNobodySees) {
  for (const char* method : {"ranking", "tcn", "tdist", "tcc", "r3m", "progress", "lifs"}) {
    EXPECT_THAT(Message(With(TinyOptions(method), "rewind: 0.5")),
                AllOf(HasSubstr("pretrain.rewind=0.5"), HasSubstr(method),
                      HasSubstr("encoder.frame_stack=2")));
  }
}

TEST_F(RefusedTest, ClipsThatAreTooShort) {
  const ClipSet clips = Squares(3, 0, 5);
  EXPECT_THAT(Message(TinyOptions("tcn"), clips), AllOf(HasSubstr("7"), HasSubstr("5")));
}

TEST_F(RefusedTest, AGoalWithoutGoodClips) {
  PretrainOptions options = TinyOptions("tdist");
  options.labels = {"random"};
  EXPECT_THAT(Message(options, Squares(2, 2)),
              AllOf(HasSubstr("'good'"), HasSubstr("goal_share=0")));
  options.goal_share = 0;
  Pretrain(options, TinySpec(), Squares(2, 2), folder_ / "fine.safetensors", kCpu);
}

TEST_F(RefusedTest, NoLastLayerToInitialise) {
  EncoderSpec spec = TinySpec();
  spec.embedding_dim = 0;
  EXPECT_THAT(Message(TinyOptions("tcn"), Squares(), spec),
              AllOf(HasSubstr("data_dependent_init"), HasSubstr("embedding_dim")));
  PretrainOptions options = TinyOptions("tcn");
  options.data_dependent_init = false;
  Pretrain(options, spec, Squares(), folder_ / "fine.safetensors", kCpu);
}

TEST_F(RefusedTest, AnEncoderWithoutWeights) {
  EncoderSpec spec = TinySpec();
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  EXPECT_THAT(Message(TinyOptions("ranking"), Squares(), spec), HasSubstr("encoder.arch=pixels"));
}

TEST_F(RefusedTest, AnEncoderFileThatIsNotWhatTheConfigAsksFor) {
  Pretrain(TinyOptions("tcn"), TinySpec(), Squares(), folder_ / "start.safetensors", kCpu);
  PretrainOptions options = TinyOptions("tcn");
  options.init_from = (folder_ / "start.safetensors").string();
  EncoderSpec spec = TinySpec();
  spec.width = 0.5;
  EXPECT_THAT(Message(options, Squares(), spec),
              AllOf(HasSubstr("encoder.width=0.5"), HasSubstr("start.safetensors"),
                    HasSubstr("encoder.width=0.25")));
  options.init_from = (folder_ / "absent.safetensors").string();
  EXPECT_THAT(Message(options), HasSubstr("absent.safetensors"));
}

TEST_F(RefusedTest, ALossThatIsNotANumber) {
  PretrainOptions options = TinyOptions("tcn", 20);
  options.optimizer = "sgd";
  options.learning_rate = 1e30;
  EXPECT_THAT(Message(options), AllOf(HasSubstr("the loss is"), HasSubstr("learning_rate")));
}

class RefusedCheckpointTest : public RefusedTest {
 protected:
  void SetUp() override {
    PretrainOptions options = TinyOptions("tcn", 6);
    options.log_every = 2;
    EXPECT_THROW(Pretrain(options, TinySpec(), Squares(), folder_ / "encoder.safetensors", kCpu,
                          {[](int64_t, const Metrics&) { RequestInterrupt(true); }}),
                 Interrupted);
    RequestInterrupt(false);
  }
};

TEST_F(RefusedCheckpointTest, OfOtherOptions) {
  PretrainOptions options = TinyOptions("tcn", 6);
  options.learning_rate = 0.25;
  EXPECT_THAT(Message(options), AllOf(HasSubstr("encoder.checkpoint.safetensors"),
                                      HasSubstr("pretrain.learning_rate=0.001"),
                                      HasSubstr("pretrain.learning_rate=0.25")));
  EXPECT_THAT(Message(TinyOptions("tdist", 6)), HasSubstr("pretrain.method=tcn"));
}

TEST_F(RefusedCheckpointTest, OfAnotherEncoder) {
  EncoderSpec spec = TinySpec();
  spec.embedding_dim = 12;
  EXPECT_THAT(Message(TinyOptions("tcn", 6), Squares(), spec),
              HasSubstr("encoder.embedding_dim=16"));
}

TEST_F(RefusedCheckpointTest, OfOtherClips) {
  EXPECT_THAT(Message(TinyOptions("tcn", 6), Squares(5)), HasSubstr("data="));
  ClipSet changed = Squares();
  changed.clips[0].frames[15].fill_(3);
  EXPECT_THAT(Message(TinyOptions("tcn", 6), changed), HasSubstr("data="));
}

TEST_F(RefusedCheckpointTest, ThatIsSomethingElse) {
  const auto path = CheckpointPath(folder_ / "encoder.safetensors");
  WriteFileAtomic(path, "not a checkpoint at all");
  EXPECT_THAT(Message(TinyOptions("tcn", 6)), HasSubstr(path.string()));
  WriteSafetensors(path, {}, {{"format", "other"}});
  EXPECT_THAT(Message(TinyOptions("tcn", 6)), HasSubstr("not a pretraining checkpoint"));
}

}  // namespace
}  // namespace v2r
