// Learning from a teacher.
#include "pretrain/distill.h"

#include <gmock/gmock.h>

#include <utility>

#include "tests/pretrain/bars.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DistillTest : public ::testing::Test {
 protected:
  // The loss on `batch`, and what it should be from the teacher's and the student's own logits.
  std::pair<double, double> LossAndExpected(const std::string& yaml) {
    const PretrainOptions options = With(TinyOptions("distill"), yaml);
    Rng rng(1);
    EncoderSpec spec = TinySpec();
    spec.pooling = "avg";
    Distill method(options, MakeEncoderNet(spec, rng), rng);
    const ClipSet clips = ColouredSquares();
    method.Prepare(clips, {});
    const PretrainBatch batch = method.Views(clips, rng);
    const double loss = method.Loss(batch, 0).loss.item<double>();
    const torch::NoGradGuard no_grad;
    const EncoderFile teacher = LoadEncoderFile(options.distill.teacher);
    teacher.net->eval();
    const auto x = Normalise(spec, batch.tensors.at("views"));
    const auto t = teacher.heads.at("classifier")->forward(teacher.net->forward(x));
    const auto s = method.heads().at("classifier")->forward(method.encoder()->forward(x));
    const double tau = options.distill.temperature, alpha = options.distill.alpha;
    const auto log_s = torch::log_softmax(s / tau, 1);
    double expected =
        -alpha * tau * tau * (torch::softmax(t / tau, 1) * log_s).sum(1).mean().item<double>();
    const torch::Tensor& targets = batch.tensors.at("targets");
    double labels = 0;
    for (int64_t i = 0; i < targets.size(0); ++i) {
      const auto target = targets[i].item<int64_t>();
      if (target < 0) continue;
      labels -= torch::log_softmax(s, 1)[i][target].item<double>();
      ++labelled_;
    }
    if (labelled_ > 0) expected += (1 - alpha) * labels / static_cast<double>(labelled_);
    return {loss, expected};
  }
  int64_t labelled_ = 0;
  TempFolder folder_;
};

TEST_F(DistillTest, TheLossIsThePapers) {
  const auto [loss, expected] =
      LossAndExpected("{distill: {temperature: 2}, supervised: {head_init_std: 0.5}}");
  EXPECT_EQ(labelled_, 0);
  EXPECT_NEAR(loss, expected, 1e-4 * expected);
}

TEST_F(DistillTest, LabelsHaveTheRestOfTheWeight) {
  const auto [loss, expected] = LossAndExpected(
      "{batch_size: 32, distill: {alpha: 0.3}, "
      "supervised: {head_init_std: 0.5, label_fraction: 0.5}}");
  EXPECT_GT(labelled_, 4);
  EXPECT_LT(labelled_, 28);
  EXPECT_NEAR(loss, expected, 1e-4 * expected);
}

TEST_F(DistillTest, ASmallerStudentOfSmallerPicturesLearnsItWithoutLabels) {
  const auto teacher = folder_ / "teacher.safetensors", path = folder_ / "student.safetensors";
  const std::string recipe = "{batch_size: 32, learning_rate: 0.003, log_every: 200}";
  Pretrain(With(TinyOptions("supervised", 120), recipe), BarsSpec(), Bars(240), teacher, kCpu);
  ClipSet unlabelled = Bars(240, 3);
  unlabelled.classes.clear();
  for (Clip& clip : unlabelled.clips) clip.target = -1;
  PretrainOptions options = With(TinyOptions("distill", 150), recipe);
  options.distill.teacher = teacher.string();
  EncoderSpec small = BarsSpec(0.25);
  small.input_size = 24;
  Pretrain(options, small, unlabelled, path, kCpu);
  const Encoder student = LoadEncoder(path, kCpu, "float32");
  int64_t right = 0;
  for (const Clip& clip : Bars(60, 9).clips) {
    const auto logits = student.ApplyHead("classifier", student.Embed(clip.frames));
    right += logits[0].argmax().item<int64_t>() == clip.target;
  }
  EXPECT_GT(right, 48);
}

TEST_F(DistillTest, TeachersThatDoNotFitAreRefused) {
  const auto refused = [&](const std::string& yaml, const ClipSet& clips, int64_t stack = 1) {
    EncoderSpec spec = TinySpec();
    spec.frame_stack = stack;
    return UserMessage([&] {
      Pretrain(With(TinyOptions("distill"), yaml), spec, clips, folder_ / "e.safetensors", kCpu);
    });
  };
  EXPECT_THAT(refused("distill: {teacher: ''}", ColouredSquares()),
              AllOf(HasSubstr("distill.teacher"), HasSubstr("method=supervised")));
  Rng rng(1);
  const auto bare = folder_ / "bare.safetensors";
  SaveEncoder(bare, *MakeEncoderNet(TinySpec(), rng), {}, {});
  EXPECT_THAT(refused("distill: {teacher: " + bare.string() + "}", ColouredSquares()),
              AllOf(HasSubstr("bare.safetensors"), HasSubstr("its heads: none")));
  EXPECT_THAT(refused("{}", ColouredSquares(), 2), HasSubstr("the student of 2"));
  EXPECT_THAT(refused("{}", Bars(60)),
              AllOf(HasSubstr("2 classes (red, blue)"), HasSubstr("3 (standing, lying, leaning)")));
  EXPECT_THAT(refused("distill: {alpha: 0.5}", Squares()), HasSubstr("no classes"));
}

}  // namespace
}  // namespace v2r
