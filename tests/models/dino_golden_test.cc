// A transformer and DINO's head and loss together: facebookresearch/dino's own training steps.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <set>

#include "learn/dino.h"
#include "learn/ema.h"
#include "models/vit.h"
#include "tests/golden.h"

namespace v2r {
namespace {

// Backbone and head under the reference's names.
struct DinoNet : public torch::nn::Module {
  DinoNet(const EncoderSpec& spec, const VitShape& shape, const DinoHeadSpec& head_spec) {
    Rng rng(1);
    backbone = register_module("backbone", std::make_shared<VitImpl>(spec, shape));
    head = register_module("head", DinoHead(head_spec, rng));
  }
  // Crops of equal size through the backbone together, all features through the head together.
  torch::Tensor forward(const std::vector<torch::Tensor>& crops_by_size) {
    std::vector<torch::Tensor> features;
    for (const auto& crops : crops_by_size) {
      features.push_back(backbone->forward(crops.flatten(0, 1)));
    }
    return head->forward(torch::cat(features));
  }
  std::shared_ptr<VitImpl> backbone;
  DinoHead head{nullptr};
};

EncoderSpec SmallBackbone(int64_t size, int64_t patch) {
  EncoderSpec spec;
  spec.arch = "vit_tiny";
  spec.input_size = size;
  spec.patch_size = patch;
  spec.pooling = "cls";
  spec.embedding_dim = 0;
  return spec;
}

TEST(DinoGolden, FourTrainingSteps) {
  for (const GoldenCase& c : GoldenCases("08_dino_train4")) {
    SCOPED_TRACE(c.name);
    const DinoHeadSpec head{.in_dim = 24,
                            .out_dim = 20,
                            .layers = 3,
                            .hidden_dim = 16,
                            .bottleneck_dim = 8,
                            .norm_last_layer = false};
    DinoNet student(SmallBackbone(16, 4), {24, 1, 2}, head);
    DinoNet teacher(SmallBackbone(16, 4), {24, 1, 2}, head);
    LoadModuleState(student, c.Under("init."), c.name);
    CopyState(teacher, student);
    Freeze(teacher);
    student.to(TestDevice());
    teacher.to(TestDevice());
    DinoLoss loss(20, 0.1, 0.9);
    loss->to(TestDevice());
    const auto [decayed, spared] = DinoParameterGroups(student);
    const auto named = student.named_parameters();
    const auto pick = [&](const std::vector<std::string>& names) {
      std::vector<torch::Tensor> picked;
      for (const auto& name : names) picked.push_back(named[name]);
      return picked;
    };
    std::vector<torch::optim::OptimizerParamGroup> groups;
    for (const auto* names : {&decayed, &spared}) {
      groups.emplace_back(pick(*names), std::make_unique<torch::optim::AdamWOptions>(
                                            torch::optim::AdamWOptions(0).weight_decay(0)));
    }
    torch::optim::AdamW optimizer(groups, torch::optim::AdamWOptions(0).weight_decay(0));
    for (int64_t step = 0; step < c["in.lr"].size(0); ++step) {
      SCOPED_TRACE(step);
      for (auto& group : optimizer.param_groups()) {
        group.options().set_lr(c["in.lr"][step].item<double>());
      }
      static_cast<torch::optim::AdamWOptions&>(optimizer.param_groups()[0].options())
          .weight_decay(c["in.wd"][step].item<double>());
      const auto globals = c["in.global_crops"][step], locals = c["in.local_crops"][step];
      const auto temperature =
          c.has("in.teacher_temp") ? c["in.teacher_temp"][step].item<double>() : 0.04;
      const auto value = loss->forward(student.forward({globals, locals}),
                                       teacher.forward({globals}), temperature);
      const std::string out = "out.step" + std::to_string(step) + ".";
      EXPECT_TRUE(IsClose(value, c[out + "loss"], {.relative = 1e-5}));
      EXPECT_TRUE(IsClose(loss->center(), c[out + "center"], {.absolute = 1e-6}));
      optimizer.zero_grad();
      value.backward();
      const auto norms = ClipGradientsEach(student.parameters(), 0.3);
      EXPECT_TRUE(IsClose(torch::tensor(norms, torch::kDouble).sum(),
                          c.tensors.at(out + "grad_norms").sum(), {.relative = 1e-4}));
      if (step < 1) student.head->CancelLastLayerGradients();
      optimizer.step();
      EmaUpdate(teacher, student, c["in.momentum"][step].item<double>());
    }
    for (const auto& [who, net] :
         {std::pair<std::string, DinoNet*>{"student", &student}, {"teacher", &teacher}}) {
      const auto state = ModuleState(*net);
      for (const auto& [name, expected] : c.Under("final." + who + ".")) {
        // The keys' bias has no gradient but rounding.
        const double absolute = name.ends_with("attn.qkv.bias") ? 5e-3 : 2e-5;
        EXPECT_TRUE(IsClose(state.at(name), expected, {.absolute = absolute}))
            << who << " " << name;
      }
    }
  }
}

TEST(DinoGolden, NamesOfTheParameterGroups) {
  for (const GoldenCase& c : GoldenCases("08_dino_schedules_clip_groups")) {
    for (const auto& [setting, groups] : nlohmann::json::parse(c.meta("param_groups")).items()) {
      SCOPED_TRACE(setting);
      DinoNet net(SmallBackbone(16, 4), {24, 1, 2},
                  {.in_dim = 24,
                   .out_dim = 20,
                   .layers = 3,
                   .hidden_dim = 16,
                   .bottleneck_dim = 8,
                   .norm_last_layer = setting.ends_with("True")});
      const auto [decayed, spared] = DinoParameterGroups(net);
      const auto set_of = [](const std::vector<std::string>& names) {
        return std::set<std::string>(names.begin(), names.end());
      };
      EXPECT_EQ(set_of(decayed), set_of(groups.at("regularized")));
      EXPECT_EQ(set_of(spared), set_of(groups.at("not_regularized")));
    }
  }
}

}  // namespace
}  // namespace v2r
