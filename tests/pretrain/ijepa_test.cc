// I-JEPA as a whole: against the reference's model and masks, and what only it asks of its
// settings.

#include "pretrain/ijepa.h"

#include <gmock/gmock.h>

#include <set>

#include "learn/schedules.h"
#include "tests/golden.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

torch::Tensor Masks(const GoldenCase& c, const std::string& prefix) {
  std::vector<torch::Tensor> masks;
  for (int k = 0; c.tensors.contains(prefix + std::to_string(k)); ++k) {
    masks.push_back(c[prefix + std::to_string(k)]);
  }
  return torch::stack(masks);
}

TEST(IjepaGolden, TokensByMask) {
  for (const GoldenCase& c : GoldenCases("14_ijepa")) {
    if (!c.tensors.contains("in.mask0")) continue;  // the schedules
    const auto masked = ApplyMasks(c["in.x"], Masks(c, "in.mask"));
    EXPECT_TRUE(torch::equal(masked, c["out.apply_masks"]));
    EXPECT_TRUE(
        torch::equal(RepeatInterleaveBatch(masked, 2, 2), c["out.repeat_interleave_B2_r2"]));
  }
}

TEST(IjepaGolden, WholeModel) {
  for (const GoldenCase& c : GoldenCases("14_ijepa")) {
    if (!c.tensors.contains("in.imgs")) continue;
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    EncoderSpec spec;
    spec.arch = "vit_base";
    spec.input_size = hyper.at("img");
    spec.patch_size = hyper.at("patch");
    spec.embedding_dim = 0;
    spec.positions = "sincos";
    spec.cls_token = false;
    const VitShape shape{hyper.at("dim"), hyper.at("depth"), hyper.at("heads")};
    const auto encoder = std::make_shared<VitImpl>(spec, shape);
    const auto target = std::make_shared<VitImpl>(spec, shape);
    Rng rng(1);
    IjepaPredictor predictor(IjepaPredictorSpec{.in_dim = shape.dim,
                                                .dim = hyper.at("pred_dim"),
                                                .depth = hyper.at("pred_depth"),
                                                .heads = hyper.at("pred_heads"),
                                                .rows = hyper.at("grid"),
                                                .cols = hyper.at("grid")},
                             rng);
    const auto of_encoder = c.Under("param.encoder."), of_predictor = c.Under("param.predictor.");
    EXPECT_TRUE(IsClose(ModuleState(*encoder).at("pos_embed"), of_encoder.at("pos_embed"),
                        {.absolute = 1e-6}));
    EXPECT_TRUE(IsClose(ModuleState(*predictor).at("predictor_pos_embed"),
                        of_predictor.at("predictor_pos_embed"), {.absolute = 1e-6}));
    LoadModuleState(*encoder, of_encoder, c.name);
    LoadModuleState(*target, c.Under("param.target."), c.name);
    LoadModuleState(*predictor, of_predictor, c.name);
    for (torch::nn::Module* module :
         std::initializer_list<torch::nn::Module*>{encoder.get(), target.get(), predictor.get()}) {
      module->to(TestDevice());
    }
    const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-5};
    const auto context = Masks(c, "in.mask_enc"), targets = Masks(c, "in.mask_pred");
    const auto all = target->Blocks(target->Tokens(c["in.imgs"]));
    EXPECT_TRUE(IsClose(torch::layer_norm(all, {shape.dim}), c["out.target_full"], tolerance));
    const IjepaStep two =
        IjepaForward(*encoder, *target, predictor, c["in.imgs"], {context, targets});
    EXPECT_TRUE(IsClose(two.prediction, c["out.pred_2ctx"], tolerance));
    EXPECT_TRUE(IsClose(two.target, c["out.target_2ctx"], tolerance));
    const IjepaStep one =
        IjepaForward(*encoder, *target, predictor, c["in.imgs"], {context.slice(0, 0, 1), targets});
    EXPECT_TRUE(IsClose(one.context, c["out.context"], tolerance));
    EXPECT_TRUE(IsClose(one.prediction, c["out.pred"], tolerance));
    EXPECT_TRUE(IsClose(one.target, c["out.target"], tolerance));
    EXPECT_TRUE(IsClose(one.loss, c["out.loss"], {.relative = 1e-6, .absolute = 1e-6}));
    one.loss.backward();
    const auto encoder_parameters = encoder->named_parameters();
    const auto predictor_parameters = predictor->named_parameters();
    for (const auto& [name, grad] : c.Under("out.grad.encoder.")) {
      EXPECT_TRUE(IsClose(encoder_parameters[name].grad(), grad, tolerance)) << name;
    }
    for (const auto& [name, grad] : c.Under("out.grad.predictor.")) {
      EXPECT_TRUE(IsClose(predictor_parameters[name].grad(), grad, tolerance)) << name;
    }
    for (const auto& parameter : target->parameters()) EXPECT_FALSE(parameter.grad().defined());
  }
}

TEST(IjepaGolden, MasksOfTheSameDraws) {
  for (const GoldenCase& c : GoldenCases("14_ijepa_masks_schedules")) {
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    const int64_t side = hyper.at("input").get<int64_t>() / hyper.at("patch").get<int64_t>();
    BlockMaskSpec spec{.rows = side,
                       .cols = side,
                       .pred_scale = hyper.at("pred_scale"),
                       .enc_scale = hyper.at("enc_scale"),
                       .aspect_ratio = hyper.at("aspect"),
                       .context_blocks = hyper.at("nenc"),
                       .target_blocks = hyper.at("npred"),
                       .min_keep = hyper.at("min_keep")};
    int iterations = 0;
    for (const auto& [key, draws] : c.Under("in.it")) {
      if (!key.ends_with(".top_left_draws")) continue;
      const std::string it = key.substr(0, key.find('.'));
      const auto uniforms = c["in.it" + it + ".uniform_pred_enc"];
      int64_t uniform = 0, place = 0;
      const auto places = draws.contiguous();
      const BlockMasks masks = SampleBlockMasks(spec, hyper.at("B"),
                                                {[&] { return uniforms[uniform++].item<double>(); },
                                                 [&](int64_t n) {
                                                   const int64_t drawn =
                                                       places[place++].item<int64_t>();
                                                   EXPECT_LT(drawn, n);
                                                   return drawn;
                                                 }});
      EXPECT_EQ(place, places.numel());
      EXPECT_TRUE(torch::equal(masks.context, c["out.it" + it + ".masks_enc"]));
      EXPECT_TRUE(torch::equal(masks.targets, c["out.it" + it + ".masks_pred"]));
      ++iterations;
    }
    EXPECT_GE(iterations, 1);
    const auto ema = c["out.ema"];
    for (int64_t i = 0; i < ema.size(0); ++i) {
      EXPECT_NEAR(Anneal("linear", 0.996, 1, i, ema.size(0) - 1), ema[i].item<double>(), 1e-12);
    }
  }
}

// A context block shows nothing that is asked for, unless it may; all blocks have enough patches.
TEST(Ijepa, MasksKeepTheirPromises) {
  BlockMaskSpec spec{.rows = 8, .cols = 8, .min_keep = 4};
  Rng rng(3);
  for (int round = 0; round < 50; ++round) {
    const BlockMasks masks = SampleBlockMasks(spec, 6, rng);
    ASSERT_EQ(masks.context.size(0), 1);
    ASSERT_EQ(masks.targets.size(0), 4);
    ASSERT_GT(masks.context.size(2), 4);
    ASSERT_GT(masks.targets.size(2), 4);
    for (int64_t b = 0; b < 6; ++b) {
      std::set<int64_t> asked;
      for (int64_t k = 0; k < 4; ++k) {
        for (int64_t j = 0; j < masks.targets.size(2); ++j) {
          asked.insert(masks.targets[k][b][j].item<int64_t>());
        }
      }
      for (int64_t j = 0; j < masks.context.size(2); ++j) {
        EXPECT_FALSE(asked.contains(masks.context[0][b][j].item<int64_t>()));
      }
    }
  }
  spec.allow_overlap = true;
  const BlockMasks open = SampleBlockMasks(spec, 6, rng);
  EXPECT_GE(open.context.size(2), 36);
}

TEST(Ijepa, RefusesWhatItCannotDo) {
  const ClipSet clips = Squares(2);
  TempFolder folder;
  const auto refusal = [&](const std::string& yaml, const EncoderSpec& spec) {
    return UserMessage([&] {
      Pretrain(With(TinyOptions("ijepa"), yaml), spec, clips, folder / "e.safetensors", kCpu, {});
    });
  };
  const EncoderSpec spec = TinySpec("ijepa");
  EXPECT_THAT(refusal("{}", TinySpec("simclr")), HasSubstr("cls_token=false"));
  EXPECT_THAT(refusal("{}", TinySpec("mae")), HasSubstr("cls_token=false"));
  EXPECT_THAT(refusal("ijepa: {min_keep: 9}", spec), HasSubstr("lower min_keep"));
  EXPECT_THAT(refusal("ijepa: {enc_mask_scale: [1, 0.8]}", spec), HasSubstr("enc_mask_scale"));
  EXPECT_THAT(refusal("ijepa: {aspect_ratio: [1]}", spec), HasSubstr("aspect_ratio"));
  EXPECT_THAT(refusal("ijepa: {pred_emb_dim: 30}", spec), HasSubstr("multiple of the 4 heads"));
  EXPECT_THAT(refusal("freeze_encoder: true", spec), HasSubstr("freeze_encoder"));
}

// What is kept is the slow copy, not the net that the optimiser moves.
TEST(Ijepa, KeepsTheTargetEncoder) {
  PretrainOptions options =
      With(TinyOptions("ijepa"), "{ema_momentum: 1, data_dependent_init: false}");
  Rng rng(1);
  const auto net = MakeEncoderNet(TinySpec("ijepa"), rng);
  TempFolder folder;
  const auto path = folder / "start.safetensors";
  SaveEncoder(path, *net, {}, {});
  options.init_from = path.string();
  const auto out = folder / "e.safetensors";
  Pretrain(options, TinySpec("ijepa"), Squares(2), out, kCpu, {});
  EXPECT_TRUE(SameBits(Tensors(out), Tensors(path)));
}

}  // namespace
}  // namespace v2r
