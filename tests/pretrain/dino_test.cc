// DINO through the parts that training uses: method, optimiser, step.
#include "pretrain/dino.h"

#include <gmock/gmock.h>

#include <cmath>

#include "models/vit.h"
#include "pretrain/pictures.h"
#include "pretrain/registry.h"
#include "pretrain/setup.h"
#include "pretrain/step.h"
#include "tests/golden.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The golden's network: its pictures are taken as they are.
EncoderSpec GoldenSpec() {
  EncoderSpec spec;
  spec.arch = "vit_micro";
  spec.width = 0.1875;  // 24 channels
  spec.depth = 1;
  spec.heads = 2;
  spec.patch_size = 4;
  spec.input_size = 16;
  spec.pooling = "cls";
  spec.embedding_dim = 0;
  spec.mean = {0, 0, 0};
  spec.std = {1, 1, 1};
  return spec;
}

// Four steps of main_dino.py's train_one_epoch. The file does not name the teacher's temperatures;
// its losses do: .04 at the first step, .07 from the second on.
TEST(DinoGolden, FourStepsOfTraining) {
  for (const GoldenCase& c : GoldenCases("08_dino_train4")) {
    SCOPED_TRACE(c.name);
    PretrainOptions options = With(TinyOptions("dino", 4), R"({
      batch_size: 3, out_dim: 20, projection_layers: 3, projection_hidden: 16, projection_dim: 8,
      norm_last_layer: false, freeze_last_layer: 1, epoch_iterations: 1, local_crops_number: 2,
      optimizer: adamw, schedule: dino, warmup_iterations: 1, learning_rate: 0.01,
      min_learning_rate: 0.0001, weight_decay: 0.04, weight_decay_end: 0.4,
      decay_norm_and_bias: false, clip_grad: 0.3, ema_momentum: 0.9, ema_schedule: cosine,
      warmup_teacher_temp: 0.04, teacher_temp: 0.07, warmup_teacher_temp_epochs: 2})");
    for (int64_t step = 0; step < 4; ++step) {
      EXPECT_NEAR(LearningRate(options, step), c.tensors.at("in.lr")[step].item<double>(), 1e-12);
      EXPECT_NEAR(WeightDecay(options, step), c.tensors.at("in.wd")[step].item<double>(), 1e-12);
      EXPECT_NEAR(EmaMomentum(options, step), c.tensors.at("in.momentum")[step].item<double>(),
                  1e-12);
    }
    Rng rng(1);
    EncoderNet net = MakeEncoderNet(GoldenSpec(), rng);
    net->to(TestDevice());
    const auto method = PretrainMethods().Make("dino", options, net, rng);
    StateDict state = method->SaveState();
    const auto put = [&](const std::string& from, const std::string& to) {
      for (const auto& [name, tensor] : ToStateDict(c.Under(from))) {
        ASSERT_TRUE(state.contains(to + name)) << to << name;
        state[to + name] = tensor;
      }
    };
    put("init.backbone.", "net.");
    put("init.backbone.", "teacher.");
    put("init.head.", "head.");
    put("init.head.", "teacher_head.");
    method->LoadState(state);
    const auto optimizer = MakeOptimizer(options, method->Parameters());
    for (int64_t step = 0; step < 4; ++step) {
      SCOPED_TRACE(step);
      const std::string out = "out.step" + std::to_string(step) + ".";
      PretrainBatch batch;
      batch.tensors["globals"] = c["in.global_crops"][step].flatten(0, 1);
      batch.tensors["locals"] = c["in.local_crops"][step].flatten(0, 1);
      const StepOutcome outcome = PretrainStep(options, *method, *optimizer, batch, step);
      EXPECT_TRUE(IsClose(outcome.loss, c.scalar(out + "loss"), {.relative = 1e-5}));
      const TensorDict loss = ToTensors(Under(method->SaveState(), "dino_loss"));
      EXPECT_TRUE(IsClose(loss.at("center"), c[out + "center"].cpu(), {.absolute = 1e-6}));
    }
    const StateDict trained = method->SaveState();
    const auto compare = [&](const std::string& expected, const std::string& ours) {
      const TensorDict tensors = ToTensors(Under(trained, ours));
      for (auto [name, tensor] : c.Under(expected)) {
        auto actual = tensors.at(name);
        tensor = tensor.cpu();
        if (name.ends_with("attn.qkv.bias")) {
          // The true gradient of the keys' bias is nil: its Adam steps are rounding.
          const auto no_keys = [](const torch::Tensor& bias) {
            const auto parts = bias.chunk(3);
            return torch::cat({parts[0], parts[2]});
          };
          actual = no_keys(actual);
          tensor = no_keys(tensor);
        }
        EXPECT_TRUE(IsClose(actual, tensor, {.absolute = 2e-5})) << ours << "." << name;
      }
    };
    compare("final.student.backbone.", "net");
    compare("final.student.head.", "head");
    compare("final.teacher.backbone.", "teacher");
    compare("final.teacher.head.", "teacher_head");
  }
}

// ---- the method on films

std::unique_ptr<Pretrainer> MakeDino(const PretrainOptions& options, const EncoderSpec& spec,
                                     const ClipSet& clips, uint64_t seed = 3) {
  Rng rng(seed);
  auto method = PretrainMethods().Make("dino", options, MakeEncoderNet(spec, rng), rng);
  method->Prepare(clips, PlainViews(clips, SpreadFrames(clips, 16), method->encoder()->spec()));
  return method;
}

// ssl-methods.md 6.1: for unit vectors in b dimensions the logits have variance 1/b, so that the
// first loss lies between that of equal outputs of student and teacher, ln K - 200/b, and that of
// independent ones, ln K + 50/b (temperatures .1 and .04): 10.3 to 11.2 at K = 65536, b = 256.
TEST(DinoTest, TheFirstLossIsThatOfUntrainedOutputs) {
  const ClipSet clips = Squares();
  for (const int64_t out_dim : {512, 8192}) {
    const PretrainOptions options =
        With(TinyOptions("dino"), fmt::format("{{out_dim: {}, projection_dim: 256, "
                                              "projection_layers: 3, projection_hidden: 64}}",
                                              out_dim));
    const auto method = MakeDino(options, TinySpec("dino"), clips);
    Rng rng(9);
    const auto result = method->Loss(method->Views(clips, rng), 0);
    const double uniform = std::log(static_cast<double>(out_dim)),
                 loss = result.loss.item<double>();
    EXPECT_GT(loss, uniform - 200.0 / 256 - 0.1);
    EXPECT_LT(loss, uniform + 50.0 / 256 + 0.1);
    // The targets' own: ln K - 1 / (2 b T^2).
    const double entropy = result.metrics.at("pretrain/teacher_entropy");
    EXPECT_NEAR(entropy, uniform - 1 / (2 * 256 * 0.04 * 0.04), 0.15);
    EXPECT_NEAR(result.metrics.at("pretrain/kl"), loss - entropy, 1e-4);
    EXPECT_GT(result.metrics.at("pretrain/kl"), 0);
  }
}

TEST(DinoTest, SmallViewsFollowTheGlobalOnes) {
  PretrainOptions options = With(TinyOptions("dino"), R"({local_crops_number: 3,
      local_crops_size: 16, local_crops_scale: [1, 1], augment: {preset: none}})");
  const ClipSet clips = Squares();
  Rng rng(2);
  const PretrainBatch batch = MakeDino(options, TinySpec("dino"), clips)->Views(clips, rng);
  const torch::Tensor globals = batch.tensors.at("globals"), locals = batch.tensors.at("locals");
  ASSERT_EQ(globals.sizes(), (std::vector<int64_t>{16, 3, 32, 32}));
  ASSERT_EQ(locals.sizes(), (std::vector<int64_t>{24, 3, 16, 16}));
  // The whole picture at half the size: each is the global view of its row, shrunk.
  const auto shrunk = torch::avg_pool2d(globals.slice(0, 0, 8), 2);
  for (int64_t i = 0; i < 3; ++i) {
    const auto error = (locals.slice(0, 8 * i, 8 * i + 8) - shrunk).abs().mean().item<double>();
    EXPECT_LT(error, 0.02) << i;
  }
}

TEST(DinoTest, SmallViewsTakeTurnsInTheFramesOfAWindow) {
  PretrainOptions options = With(TinyOptions("dino"), R"({local_crops_number: 2, batch_size: 32,
      local_crops_scale: [1, 1], temporal_window: 4, augment: {preset: none}})");
  const ClipSet clips = Squares();
  Rng rng(2);
  const PretrainBatch batch = MakeDino(options, TinySpec("dino"), clips)->Views(clips, rng);
  const auto globals = batch.tensors.at("globals").chunk(2);
  const auto locals = batch.tensors.at("locals").chunk(2);
  EXPECT_GT((globals[0] - globals[1]).abs().max().item<double>(), 0.1);
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_LT((locals[i] - globals[i]).abs().max().item<double>(), 1e-3) << i;
  }
}

// Positions of a transformer are interpolated, a ResNet ends in global pooling.
TEST(DinoTest, TwoResolutionsTrainEveryKindOfEncoder) {
  const ClipSet clips = Squares();
  const TempFolder folder;
  for (const char* arch : {"vit_micro", "resnet18", "conv4"}) {
    EncoderSpec spec = TinySpec();
    spec.arch = arch;
    spec.width = 0.125;
    const bool vit = arch == std::string("vit_micro");
    spec.pooling = vit ? "cls" : "avg";
    if (vit) spec.depth = 2, spec.drop_path = 0.2;
    const auto path = folder / (arch + std::string(".safetensors"));
    const auto options = With(TinyOptions("dino"), "local_crops_size: 16");
    const PretrainResult result = Pretrain(options, spec, clips, path, kCpu);
    EXPECT_TRUE(std::isfinite(result.final_metrics.at("pretrain/loss"))) << arch;
    const auto z = LoadEncoder(path, kCpu, "float32").Embed(clips.clips[0].frames);
    EXPECT_TRUE(z.isfinite().all().item<bool>()) << arch;
  }
}

// One forward a resolution: with BatchNorm the two global views are one batch, the small ones
// another, and equal sizes are one for all.
TEST(DinoTest, ViewsOfOneResolutionShareABatchNorm) {
  const ClipSet clips = Squares();
  EncoderSpec spec = TinySpec();
  spec.arch = "resnet18";
  spec.width = 0.125;
  spec.pooling = "avg";
  for (const auto& [size, forwards] : std::map<int, int64_t>{{16, 2}, {0, 1}}) {
    const auto options = With(TinyOptions("dino"), fmt::format("local_crops_size: {}", size));
    const auto method = MakeDino(options, spec, clips);
    Rng rng(9);
    method->Loss(method->Views(clips, rng), 0);
    const StateDict state = method->SaveState();
    const TensorDict student = ToTensors(Under(state, "net"));
    const TensorDict teacher = ToTensors(Under(state, "teacher"));
    EXPECT_EQ(student.at("bn1.num_batches_tracked").item<int64_t>(), forwards) << size;
    EXPECT_EQ(teacher.at("bn1.num_batches_tracked").item<int64_t>(), 1) << size;
  }
}

TEST(DinoTest, TheTeacherLosesNoBranch) {
  const ClipSet clips = Squares();
  EncoderSpec spec = TinySpec();
  spec.arch = "vit_micro";
  spec.width = 0.25;
  spec.depth = 3;
  spec.pooling = "cls";
  spec.drop_path = 0.5;
  const auto method = MakeDino(TinyOptions("dino"), spec, clips);
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({8, 3, 32, 32});
  EXPECT_TRUE(method->encoder()->forward(x).equal(method->encoder()->forward(x)));
  EXPECT_TRUE(method->encoder()->is_training());
}

TEST(DinoTest, TheLastLayerStaysForTheFirstEpochsWithDecayAndAll) {
  const ClipSet clips = Squares();
  const auto options = With(TinyOptions("dino", 6), R"({norm_last_layer: false, weight_decay: 0.3,
      freeze_last_layer: 2, epoch_iterations: 2})");
  const auto method = MakeDino(options, TinySpec("dino"), clips);
  const auto optimizer = MakeOptimizer(options, method->Parameters());
  const auto last = [&] {
    const TensorDict head = ToTensors(Under(method->SaveState(), "head"));
    return torch::cat({head.at("last_layer.weight_v"), head.at("last_layer.weight_g")}, 1).clone();
  };
  const torch::Tensor before = last();
  Rng rng(9);
  for (int64_t step = 0; step < 6; ++step) {
    PretrainStep(options, *method, *optimizer, method->Views(clips, rng), step);
    EXPECT_EQ(last().equal(before), step < 4) << step;
  }
}

TEST(DinoTest, TheEncoderCarriesTheNormOfItsEmbedding) {
  const ClipSet clips = Squares();
  const auto options = With(TinyOptions("dino", 30), "embedding_norm: true");
  const auto method = MakeDino(options, TinySpec("dino"), clips);
  const auto optimizer = MakeOptimizer(options, method->Parameters());
  Rng rng(9);
  for (int64_t step = 0; step < 30; ++step) {
    PretrainStep(options, *method, *optimizer, method->Views(clips, rng), step);
  }
  const StateDict state = method->SaveState();
  Rng unused(0);
  const EncoderNet teacher = MakeEncoderNet(TinySpec("dino"), unused);
  LoadModuleState(*teacher, ToTensors(Under(state, "teacher")), "teacher");
  const TensorDict norm = ToTensors(Under(state, "teacher_norm"));
  EncoderNet net = method->encoder();
  teacher->eval();
  net->eval();
  const torch::NoGradGuard no_grad;
  const auto x =
      Normalise(TinySpec("dino"), PlainViews(clips, SpreadFrames(clips, 96), TinySpec("dino")));
  const auto z = net->forward(x);
  const auto expected =
      (teacher->forward(x) - norm.at("running_mean")) / torch::sqrt(norm.at("running_var") + 1e-5);
  EXPECT_LT((z - expected).abs().max().item<double>(), 1e-3);
  // So what leaves it is centred, if not exactly: the statistics are of augmented views.
  EXPECT_LT(z.mean(0).abs().max().item<double>(), 0.5);
}

// ---- what is refused, what is said

std::string Refusal(const std::string& yaml, const EncoderSpec& spec = TinySpec("dino")) {
  const TempFolder folder;
  return UserMessage([&] {
    Pretrain(With(TinyOptions("dino"), yaml), spec, Squares(), folder / "e.safetensors", kCpu);
  });
}

TEST(DinoTest, SettingsThatDoNotFitAreRefusedByName) {
  EXPECT_THAT(Refusal("local_crops_size: 16", TinySpec()),
              AllOf(HasSubstr("local_crops_size=16"), HasSubstr("pooling=flatten"),
                    HasSubstr("pooling=avg")));
  EncoderSpec vit = TinySpec();
  vit.arch = "vit_micro";
  vit.pooling = "cls";
  EXPECT_THAT(Refusal("local_crops_size: 20", vit),
              AllOf(HasSubstr("local_crops_size=20"), HasSubstr("patch_size 8")));
  for (const char* scale : {"[0.4]", "[0.4, 0.05]", "[0, 0.4]", "[0.5, 1.5]"}) {
    EXPECT_THAT(Refusal(std::string("local_crops_scale: ") + scale),
                HasSubstr("pretrain.local_crops_scale"));
  }
  EXPECT_THAT(Refusal("batch_size: 200"), AllOf(HasSubstr("batch_size=200"), HasSubstr("dino")));
  EncoderSpec no_fc = TinySpec("dino");
  no_fc.embedding_dim = 0;
  EXPECT_THAT(Refusal("{embedding_norm: true, data_dependent_init: false}", no_fc),
              AllOf(HasSubstr("embedding_norm=true"), HasSubstr("embedding_dim")));
  EXPECT_THAT(Refusal("min_learning_rate: 0.5"), HasSubstr("min_learning_rate=0.5"));
  EXPECT_THAT(Refusal("{optimizer: sgd, learning_rate: 1e30, iterations: 20}"),
              AllOf(HasSubstr("pretraining dino"), HasSubstr("iteration")));
}

std::string LogOf(const std::string& yaml, const ClipSet& clips) {
  const TempFolder folder;
  LogCapture log;
  Pretrain(With(TinyOptions("dino", 160), yaml), TinySpec("dino"), clips, folder / "e.safetensors",
           kCpu);
  return log.text();
}

TEST(DinoTest, ACollapseOfTheTargetsIsNamedOnce) {
  ClipSet still = Squares(2);
  for (Clip& clip : still.clips) clip.frames.fill_(77);
  const std::string common =
      "learning_rate: 0, data_dependent_init: false, augment: {preset: none}, ";
  // The centre takes away all that equal outputs have.
  const std::string uniform = LogOf("{" + common + "center_momentum: 0.9}", still);
  const size_t first = uniform.find("uniform targets");
  ASSERT_NE(first, std::string::npos) << uniform;
  EXPECT_EQ(uniform.find("uniform targets", first + 1), std::string::npos) << uniform;
  EXPECT_THAT(uniform, AllOf(HasSubstr("ln(out_dim) = 3.466"), HasSubstr("teacher_temp")));
  EXPECT_THAT(uniform, Not(HasSubstr("one output")));
  // Without a centre and very sharp.
  const std::string one = LogOf("{" + common + "center_momentum: 1, teacher_temp: 0.001}", still);
  EXPECT_THAT(one, AllOf(HasSubstr("one output for all samples"), HasSubstr("center_momentum")));
  EXPECT_THAT(one, Not(HasSubstr("uniform targets")));
  EXPECT_THAT(LogOf("{learning_rate: 0}", Squares()), Not(HasSubstr("dino has collapsed")));
}

}  // namespace
}  // namespace v2r
