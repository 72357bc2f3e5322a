// DINO's head, loss, schedules and clipping against facebookresearch/dino.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "learn/dino.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(DinoGolden, Head) {
  const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-6};
  for (const GoldenCase& c : GoldenCases("07_dino_head")) {
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    const bool fixed = hyper.at("norm_last_layer");
    Rng rng(1);
    DinoHead head(DinoHeadSpec{.in_dim = hyper.at("in_dim"),
                               .out_dim = hyper.at("out_dim"),
                               .layers = hyper.at("nlayers"),
                               .hidden_dim = hyper.at("hidden_dim"),
                               .bottleneck_dim = hyper.at("bottleneck_dim"),
                               .use_bn = hyper.at("use_bn"),
                               .norm_last_layer = fixed},
                  rng);
    LoadModuleState(*head, c.Under("param."), c.name);
    head->to(TestDevice());
    head->train();
    auto x = c["in.x"].requires_grad_();
    const auto y = head->forward(x);
    EXPECT_TRUE(IsClose(y, c["out.y"], tolerance));
    y.backward(c["in.grad_out"]);
    EXPECT_TRUE(IsClose(x.grad(), c["out.grad_x"], tolerance));
    const auto parameters = head->named_parameters();
    for (const auto& [name, grad] : c.Under("out.grad.")) {
      // A bias before BatchNorm has no gradient but rounding, which the weights before it feel too:
      // what BatchNorm divides by is small.
      EXPECT_TRUE(IsClose(parameters[name].grad(), grad,
                          {.relative = 1e-5, .absolute = 2e-5, .of_max = 1e-5}))
          << name << " of at most " << grad.abs().max().item<double>();
    }
    const auto state = ModuleState(*head);
    for (const auto& [name, buffer] : c.Under("out.buffer.")) {
      EXPECT_TRUE(IsClose(state.at(name), buffer, tolerance)) << name;
    }
    EXPECT_EQ(parameters["last_layer.weight_g"].grad().defined(), !fixed);
    head->CancelLastLayerGradients();
    EXPECT_FALSE(parameters["last_layer.weight_v"].grad().defined());
    EXPECT_TRUE(parameters["mlp.0.weight"].grad().defined());
  }
}

TEST(DinoGolden, LossAndCentre) {
  for (const GoldenCase& c : GoldenCases("07_dino_loss")) {
    SCOPED_TRACE(c.name);
    const auto h = c.hyper();
    DinoLoss loss(h.at("out_dim").get<int64_t>(), h.at("student_temp").get<double>(),
                  h.at("center_momentum").get<double>());
    loss->to(TestDevice());
    const auto temperature = [&](int64_t epoch) {
      return DinoTeacherTemperature(h.at("warmup_teacher_temp"), h.at("teacher_temp"),
                                    h.at("warmup_teacher_temp_epochs"), epoch);
    };
    const auto schedule = c.tensors.at("out.teacher_temp_schedule");
    for (int64_t e = 0; e < schedule.size(0); ++e) {
      EXPECT_NEAR(temperature(e), schedule[e].item<double>(), 1e-12);
    }
    const auto epochs = c.tensors.at("in.epoch");
    for (int64_t step = 0; step < epochs.size(0); ++step) {
      SCOPED_TRACE(step);
      auto student = c["in.student"][step].clone().requires_grad_();
      const auto value =
          loss->forward(student, c["in.teacher"][step], temperature(epochs[step].item<int64_t>()));
      const std::string out = "out.step" + std::to_string(step) + ".";
      EXPECT_TRUE(IsClose(value, c[out + "loss"], {.relative = 1e-6}));
      loss->UpdateCenter();
      EXPECT_TRUE(IsClose(loss->center(), c[out + "center"], {.absolute = 1e-7}));
      value.backward();
      EXPECT_TRUE(IsClose(student.grad(), c[out + "grad_student"], {.of_max = 1e-5}));
    }
  }
}

TEST(DinoGolden, SchedulesAndClip) {
  for (const GoldenCase& c : GoldenCases("08_dino_schedules_clip_groups")) {
    const auto hyper = c.hyper();
    for (const auto& [name, s] : hyper.at("schedules").items()) {
      SCOPED_TRACE(name);
      const int64_t per_epoch = s.at("niter_per_ep");
      const auto ours = DinoCosineSchedule(
          s.at("base"), s.at("final"), s.at("epochs").get<int64_t>() * per_epoch,
          s.value("warmup_epochs", int64_t{0}) * per_epoch, s.value("start_warmup_value", 0.0));
      EXPECT_TRUE(IsClose(torch::tensor(ours, torch::kDouble), c.tensors.at("out.sched." + name),
                          {.absolute = 1e-12}));
    }
    std::vector<torch::Tensor> parameters, expected;
    for (const char* name : {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"}) {
      const auto grad = c[std::string("in.clip.grad.") + name];
      parameters.push_back(torch::zeros_like(grad).requires_grad_());
      parameters.back().mutable_grad() = grad.clone();
      expected.push_back(c[std::string("out.clip.grad.") + name]);
    }
    const auto norms = ClipGradientsEach(parameters, hyper.at("clip"));
    EXPECT_TRUE(IsClose(torch::tensor(norms, torch::kDouble), c.tensors.at("out.clip.norms"),
                        {.relative = 1e-6}));
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_TRUE(IsClose(parameters[i].grad(), expected[i], {.relative = 1e-6, .absolute = 1e-7}));
    }
  }
}

// By hand: [[1, 1], [3, 1]] -> outputs share (1/4, 1/2; 3/4, 1/2) / 2 -> samples share (1/3, 2/3;
// 3/5, 2/5) / 2; the result is those rows, whatever factor all logits have in common.
TEST(Dino, SinkhornKnoppTakesTurns) {
  const auto logits = torch::log(torch::tensor({{1.0, 1.0}, {3.0, 1.0}}));
  const auto expected = torch::tensor({{1.0 / 3, 2.0 / 3}, {3.0 / 5, 2.0 / 5}});
  EXPECT_TRUE(IsClose(SinkhornKnopp(logits, 1), expected, {.absolute = 1e-6}));
  EXPECT_TRUE(IsClose(SinkhornKnopp(logits + 700, 1), expected, {.absolute = 1e-4}));
  const auto many = SinkhornKnopp(torch::sin(torch::arange(60).view({12, 5})) * 3, 100);
  EXPECT_TRUE(IsClose(many.sum(1), torch::ones({12}), {.absolute = 1e-5}));
  EXPECT_TRUE(IsClose(many.sum(0), torch::full({5}, 12.0 / 5), {.absolute = 1e-4}));
}

// The loss with these targets is the cross entropy by hand.
TEST(Dino, SinkhornTargets) {
  const auto student = torch::sin(torch::arange(24).view({4, 6}).to(torch::kFloat));
  const auto teacher = torch::cos(torch::arange(24).view({4, 6}).to(torch::kFloat));
  DinoLoss loss(6, 0.1, 0.9, /*sinkhorn=*/true);
  const auto q = SinkhornKnopp(teacher / 0.04);
  const auto log_p = torch::log_softmax(student / 0.1, -1);
  const auto other = torch::cat({log_p.slice(0, 2, 4), log_p.slice(0, 0, 2)});
  EXPECT_TRUE(IsClose(loss->forward(student, teacher, 0.04), -(q * other).sum(-1).mean(),
                      {.relative = 1e-5}));
}

TEST(Dino, EntropiesTellTheTwoCollapses) {
  const auto student = torch::zeros({4, 32});
  DinoLoss uniform(32, 0.1, 0.9), one(32, 0.1, 0.9), apart(32, 0.1, 0.9);
  uniform->forward(student, torch::ones({4, 32}), 0.04);
  EXPECT_NEAR(uniform->target_entropy().item<double>(), std::log(32.0), 1e-5);
  EXPECT_NEAR(uniform->mean_target_entropy().item<double>(), std::log(32.0), 1e-5);
  auto same = torch::zeros({4, 32});
  same.select(1, 3).fill_(10);
  one->forward(student, same, 0.04);
  EXPECT_NEAR(one->target_entropy().item<double>(), 0, 1e-5);
  EXPECT_NEAR(one->mean_target_entropy().item<double>(), 0, 1e-5);
  // Sure of each sample and of another output for each: that is health.
  apart->forward(student, 10 * torch::eye(32).slice(0, 0, 4), 0.04);
  EXPECT_NEAR(apart->target_entropy().item<double>(), 0, 1e-5);
  EXPECT_NEAR(apart->mean_target_entropy().item<double>(), std::log(4.0), 1e-5);
}

}  // namespace
}  // namespace v2r
