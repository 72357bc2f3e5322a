// One optimiser step of several batches, and of short types.
#include "pretrain/step.h"

#include <gmock/gmock.h>

#include "core/interrupt.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"
#include "pretrain/registry.h"
#include "pretrain/setup.h"
#include "tests/golden.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Trained {
  std::unique_ptr<Pretrainer> method;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};

// As the trainer starts.
Trained Start(const PretrainOptions& options, const ClipSet& clips) {
  Rng rng(3);
  const EncoderSpec spec = TinySpec(options.method);
  const EncoderNet net = MakeEncoderNet(spec, rng);
  const torch::Tensor demos = PlainViews(clips, SpreadFrames(clips, 16), spec);
  Trained t;
  t.method = PretrainMethods().Make(options.method, options, net, rng);
  DataDependentInit(*net, Normalise(spec, demos));
  t.method->Prepare(clips, demos);
  t.optimizer = MakeOptimizer(options, t.method->Parameters());
  return t;
}

// Two batches as one: first views, then second ones; `parts` of each tensor.
PretrainBatch Joined(const PretrainBatch& a, const PretrainBatch& b,
                     const std::map<std::string, int64_t>& parts) {
  PretrainBatch joined;
  for (const auto& [name, tensor] : a.tensors) {
    const int64_t count = parts.contains(name) ? parts.at(name) : 1;
    const auto of_a = tensor.chunk(count), of_b = b.tensors.at(name).chunk(count);
    std::vector<torch::Tensor> rows;
    for (size_t i = 0; i < of_a.size(); ++i) rows.insert(rows.end(), {of_a[i], of_b[i]});
    joined.tensors[name] = torch::cat(rows);
  }
  return joined;
}

struct Halves {
  std::string yaml;
  std::map<std::string, int64_t> parts;
  bool equal;  // to one step of the large batch
};

// Without BatchNorm, two batches of 8 are one of 16 for all methods whose negatives do not come
// from the batch: their queue and centre move once a step.
TEST(AccumulationTest, IsTheLargeBatchWhereTheBatchHoldsNoNegatives) {
  const std::vector<Halves> cases = {
      {"{method: moco, moco_head: linear, queue_size: 32}", {{"views", 2}}, true},
      {"{method: moco, moco_head: linear, queue_size: 32, symmetric: true}", {{"views", 2}}, true},
      {"{method: dino, local_crops_number: 2, freeze_last_layer: 0}",
       {{"globals", 2}, {"locals", 2}},
       true},
      {"{method: mae}", {}, true},
      {"{method: tcn}", {{"views", 3}}, true},
      {"{method: tdist}", {{"views", 2}}, true},
      {"{method: ranking}", {{"views", 2}}, true},
      {"{method: simclr}", {{"views", 2}}, false},
      {"{method: mocov3}", {{"views", 2}}, false}};
  const ClipSet clips = Squares();
  for (const Halves& c : cases) {
    SCOPED_TRACE(c.yaml);
    PretrainOptions options = With(TinyOptions("tcn"), c.yaml);
    options.optimizer = "sgd";
    options.learning_rate = 0.1;
    options.clip_grad = 1;
    options.ema_momentum = 0.5;
    PretrainOptions twice = options;
    twice.gradient_accumulation_steps = 2;
    options.batch_size = 16;
    Trained small = Start(twice, clips), large = Start(options, clips);
    Rng rng(5);
    for (int64_t step = 0; step < 2; ++step) {
      const PretrainBatch a = small.method->Views(clips, rng), b = small.method->Views(clips, rng);
      int asked = 0;
      const auto next = [&] { return asked++ == 0 ? a : b; };
      const StepOutcome halves = PretrainStep(twice, *small.method, *small.optimizer, next, step);
      EXPECT_EQ(asked, 2);
      const auto whole = [&] { return Joined(a, b, c.parts); };
      const StepOutcome one = PretrainStep(options, *large.method, *large.optimizer, whole, step);
      const double error = std::abs(halves.loss - one.loss);
      if (c.equal) {
        EXPECT_LT(error, 1e-5 * one.loss);
      } else {
        EXPECT_LT(halves.loss, one.loss - 0.1);  // fewer negatives
      }
      EXPECT_EQ(halves.metrics.size(), one.metrics.size());
    }
    if (!c.equal) continue;
    const TensorDict expected = ToTensors(large.method->SaveState());
    TensorDict actual = ToTensors(small.method->SaveState());
    ASSERT_EQ(actual.size(), expected.size());
    for (auto& [name, tensor] : actual) {
      if (name.starts_with("watch.")) continue;  // counts batches
      auto other = expected.at(name);
      if (name == "queue.queue") {
        // The same keys, in another order when both views give some.
        tensor = std::get<0>(tensor.sort(1));
        other = std::get<0>(other.sort(1));
      }
      EXPECT_TRUE(IsClose(tensor, other, {.relative = 1e-3, .absolute = 1e-4})) << name;
    }
  }
}

TEST(AccumulationTest, SlowNetworksMoveOnceAStep) {
  const ClipSet clips = Squares();
  for (const char* yaml :
       {"{method: moco}", "{method: mocov3}", "{method: simclr, memory_size: 32}"}) {
    SCOPED_TRACE(yaml);
    PretrainOptions options = With(TinyOptions("tcn"), yaml);
    options.ema_momentum = 0.75;
    options.gradient_accumulation_steps = 3;
    Trained t = Start(options, clips);
    const std::string slow =
        options.method == "simclr" ? "memory_net.conv1.weight" : "key_net.conv1.weight";
    Rng rng(5);
    const auto tensor = [&](const std::string& name) {
      const TensorDict state = ToTensors(t.method->SaveState());
      EXPECT_TRUE(state.contains(name)) << name;
      return state.contains(name) ? state.at(name) : torch::Tensor();
    };
    const auto step = [&](int64_t k) {
      PretrainStep(
          options, *t.method, *t.optimizer, [&] { return t.method->Views(clips, rng); }, k);
    };
    step(0);
    const torch::Tensor before = tensor(slow), source = tensor("net.conv1.weight");
    ASSERT_GT((before - source).abs().max().item<double>(), 1e-5);
    step(1);
    EXPECT_TRUE(IsClose(tensor(slow), 0.75 * before + 0.25 * source, {.absolute = 1e-7}));
  }
}

// What is said of a step: the step's mean, and nothing changed when one of its batches fails.
TEST(AccumulationTest, ALossThatIsNotFiniteLeavesTheWeights) {
  const ClipSet clips = Squares();
  PretrainOptions options = TinyOptions("tdist");
  options.gradient_accumulation_steps = 2;
  Trained t = Start(options, clips);
  const auto weights = [&] {
    std::vector<torch::Tensor> flat;
    for (const auto& p : t.method->Parameters()) flat.push_back(p.detach().flatten());
    return torch::cat(flat);
  };
  const torch::Tensor before = weights();
  Rng rng(5);
  int asked = 0;
  const std::string message = UserMessage([&] {
    PretrainStep(
        options, *t.method, *t.optimizer,
        [&] {
          PretrainBatch batch = t.method->Views(clips, rng);
          if (asked++ == 1) batch.tensors["gap"].fill_(std::nan(""));
          return batch;
        },
        6);
  });
  EXPECT_THAT(message, AllOf(HasSubstr("pretraining tdist"), HasSubstr("nan at iteration 7")));
  EXPECT_TRUE(weights().equal(before));
}

// ---- precision

// Those that learn from films without labels.
const std::vector<std::string> kFilmMethods = {"dino",    "ijepa",  "mae", "moco", "mocov3",
                                               "ranking", "simclr", "tcn", "tdist"};

class Fp16Test : public ::testing::Test {
 protected:
  PretrainOptions Options(const std::string& yaml) const {
    return With(TinyOptions("mae", 6), "{precision: fp16, " + yaml + "}");
  }
};

TEST_F(Fp16Test, AnOverflowSkipsTheStepAndTrainingGoesOn) {
  const ClipSet clips = Squares();
  const TempFolder folder;
  PretrainOptions options =
      Options("log_every: 1, grad_scaler: {init_scale: 1.0e+30, backoff_factor: 0.001}");
  options.iterations = 14;
  std::vector<double> scales, skipped;
  Pretrain(options, TinySpec("mae"), clips, folder / "e.safetensors", kCpu,
           {[&](int64_t, const Metrics& row) {
             scales.push_back(row.at("pretrain/grad_scale"));
             skipped.push_back(row.at("pretrain/skipped_steps"));
           }});
  EXPECT_EQ(skipped.front(), 1);
  EXPECT_NEAR(scales.front(), 1e27, 1e21);
  EXPECT_EQ(skipped.back(), 0);
  EXPECT_EQ(scales.back(), scales[scales.size() - 2]);
}

TEST_F(Fp16Test, ASkippedStepChangesNoWeight) {
  const ClipSet clips = Squares();
  const PretrainOptions options = Options("grad_scaler: {init_scale: 1.0e+30}");
  Trained t = Start(options, clips);
  GradScaler scaler(options.grad_scaler, kCpu);
  const StateDict before = t.method->SaveState();
  Rng rng(5);
  const auto next = [&] { return t.method->Views(clips, rng); };
  const StepOutcome outcome = PretrainStep(options, *t.method, *t.optimizer, next, 0, &scaler);
  EXPECT_EQ(outcome.metrics.at("pretrain/skipped_steps"), 1);
  EXPECT_TRUE(std::isfinite(outcome.loss));
  EXPECT_TRUE(SameBits(t.method->SaveState(), before));
}

// The loss is a float's: near that of fp32 (temperatures make much of a rounding), not its equal.
TEST(PrecisionTest, ShortTypesComeCloseForEveryMethod) {
  const ClipSet clips = Squares();
  for (const std::string& name : kFilmMethods) {
    const auto loss = [&](const std::string& precision) {
      PretrainOptions options = TinyOptions(name);
      options.precision = precision;
      Trained t = Start(options, clips);
      Rng rng(5);
      const torch::Tensor value = t.method->Loss(t.method->Views(clips, rng), 0).loss;
      EXPECT_EQ(value.scalar_type(), torch::kFloat) << name;
      return value.item<double>();
    };
    const double exact = loss("fp32");
    for (const char* precision : {"bf16", "fp16"}) {
      const double rounded = loss(precision);
      EXPECT_NE(rounded, exact) << name << " " << precision;
      EXPECT_NEAR(rounded, exact, 0.1 * exact) << name << " " << precision;
    }
  }
}

TEST(PrecisionTest, ShortTypesLearnWhatFp32Learns) {
  const TempFolder folder;
  const auto last = [&](const std::string& precision) {
    PretrainOptions options = With(TinyOptions("mae", 80), "{learning_rate: 0.003, log_every: 20}");
    options.precision = precision;
    const auto path = folder / (precision + ".safetensors");
    const PretrainResult result = Pretrain(options, TinySpec("mae"), Squares(), path, kCpu);
    return result.final_metrics.at("pretrain/loss");
  };
  const double exact = last("fp32");
  EXPECT_LT(exact, 0.7);
  for (const char* precision : {"bf16", "fp16"}) {
    EXPECT_NEAR(last(precision), exact, 0.1 * exact) << precision;
  }
}

// Scale, momentum of the slow networks, queue and the loader's place are all in the checkpoint.
TEST(PrecisionTest, AccumulatedAndShortContinuesBitForBit) {
  const TempFolder folder;
  for (const std::string& name : kFilmMethods) {
    for (const char* precision : {"bf16", "fp16"}) {
      SCOPED_TRACE(name + " " + precision);
      PretrainOptions options = TinyOptions(name, 6);
      options.precision = precision;
      options.gradient_accumulation_steps = 2;
      options.grad_scaler.growth_interval = 2;
      options.log_every = 6;
      const auto whole = folder / (name + precision + "_whole.safetensors");
      const auto path = folder / (name + precision + ".safetensors");
      Pretrain(options, TinySpec(name), Squares(), whole, kCpu);
      PretrainOptions first = options;
      first.log_every = 3;
      EXPECT_THROW(Pretrain(first, TinySpec(name), Squares(), path, kCpu,
                            {[](int64_t, const Metrics&) { RequestInterrupt(true); }}),
                   Interrupted);
      RequestInterrupt(false);
      EXPECT_EQ(Pretrain(options, TinySpec(name), Squares(), path, kCpu).resumed_from, 3);
      EXPECT_EQ(ReadFile(path), ReadFile(whole));
    }
  }
}

}  // namespace
}  // namespace v2r
