// Vision transformers against DINO's, MAE's, MoCo v3's and I-JEPA's own code.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/init.h"
#include "models/positions.h"
#include "models/vit.h"
#include "tests/golden.h"
#include "tests/models/formula.h"

namespace v2r {
namespace {

EncoderSpec SpecOf(const nlohmann::json& hyper) {
  EncoderSpec spec;
  spec.arch = "vit_small";
  spec.input_size = hyper.at("img");
  spec.patch_size = hyper.at("patch");
  spec.pooling = "cls";
  spec.embedding_dim = 0;
  return spec;
}

VitShape ShapeOf(const nlohmann::json& hyper) {
  return {hyper.at("dim"), hyper.at("depth"), hyper.at("heads")};
}

TEST(PositionsGolden, Tables) {
  for (const GoldenCase& c : GoldenCases("12_sincos_tables")) {
    for (const auto& [name, table] : c.tensors) {
      SCOPED_TRACE(name);
      const std::string source = name.substr(0, name.find('.'));
      const int64_t grid = std::stoll(name.substr(name.find(".g") + 2));
      const bool cls = source != "ijepa", moco = source == "mocov3";
      const auto ours =
          SinCosTable(table.size(1), grid, grid, moco ? "mocov3" : "mae", cls).squeeze(0);
      EXPECT_TRUE(IsClose(ours, table, {.absolute = moco ? 1e-5 : 1e-6}));
      const auto other =
          SinCosTable(table.size(1), grid, grid, moco ? "mae" : "mocov3", cls).squeeze(0);
      EXPECT_FALSE(IsClose(other, table, {.absolute = 1e-2}));
    }
  }
}

TEST(PositionsGolden, InterpolationOfDino) {
  for (const GoldenCase& c : GoldenCases("09_dino_pos_interp")) {
    const auto table = c["in.pos_embed"];
    const int64_t patch = c.hyper().at("patch");
    int count = 0;
    for (const auto& [size, expected] : c.Under("out.")) {
      SCOPED_TRACE(size);
      const int64_t height = std::stoll(size), width = std::stoll(size.substr(size.find('x') + 1));
      const auto ours = InterpolatePositionsDino(table, height / patch, width / patch);
      ASSERT_EQ(ours.size(1), 1 + height / patch * (width / patch));
      EXPECT_TRUE(IsClose(ours.slice(1, 0, expected.size(1)), expected, {.absolute = 1e-5}));
      ++count;
    }
    EXPECT_GT(count, 0);
    EXPECT_TRUE(IsClose(InterpolatePositionsDeit(table, 96 / patch, 96 / patch),
                        c["ref.size_based_96x96"], {.absolute = 1e-5}));
    EXPECT_FALSE(IsClose(InterpolatePositionsDino(table, 96 / patch, 96 / patch),
                         c["ref.size_based_96x96"], {.absolute = 0.1}));
  }
}

TEST(PositionsGolden, InterpolationOfMae) {
  for (const GoldenCase& c : GoldenCases("11_mae_schedules")) {
    for (const auto& [size, expected] : c.Under("out.interp_")) {
      SCOPED_TRACE(size);
      const int64_t grid = std::stoll(size);
      const auto ours = InterpolatePositionsDeit(c["in.pos_embed"], grid, grid);
      ASSERT_EQ(ours.size(1), 1 + grid * grid);
      EXPECT_TRUE(IsClose(ours.slice(1, 0, expected.size(1)), expected, {.absolute = 1e-5}));
    }
  }
}

TEST(VitGolden, DinoForwardAttentionAndGradients) {
  const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-5};
  for (const GoldenCase& c : GoldenCases("10_dino_vit")) {
    SCOPED_TRACE(c.name);
    VitImpl net(SpecOf(c.hyper()), ShapeOf(c.hyper()));
    LoadModuleState(net, c.Under("param."), c.name);
    net.to(TestDevice());
    net.eval();
    auto x = c["in.x"].requires_grad_();
    const auto cls = net.forward(x);
    EXPECT_TRUE(IsClose(cls, c["out.cls"], tolerance));
    EXPECT_TRUE(IsClose(net.forward(c["in.x_16x24"]), c["out.cls_16x24"], tolerance));
    EXPECT_TRUE(IsClose(net.LastAttention(x), c["out.last_attention"], tolerance));
    const auto layers = net.IntermediateLayers(x, 2);
    EXPECT_TRUE(IsClose(layers[0], c["out.intermediate0"], tolerance));
    EXPECT_TRUE(IsClose(layers[1], c["out.intermediate1"], tolerance));
    cls.backward(c["in.grad_out"]);
    EXPECT_TRUE(IsClose(x.grad(), c["out.grad_x"], tolerance));
    const auto parameters = net.named_parameters();
    for (const auto& [name, grad] : c.Under("out.grad.")) {
      EXPECT_TRUE(IsClose(parameters[name].grad(), grad, tolerance)) << name;
    }
  }
}

// logits: the last layer is called head there.
TEST(VitGolden, MocoV3WithBothStems) {
  const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-5};
  const torch::NoGradGuard no_grad;
  for (const GoldenCase& c : GoldenCases("10_mocov3")) {
    SCOPED_TRACE(c.name);
    EncoderSpec spec = SpecOf(c.hyper());
    spec.positions = "sincos_mocov3";
    spec.embedding_dim = c.hyper().at("num_classes");
    spec.stem = c.has("param.patch_embed.proj.12.weight") ? "conv" : "patch";
    VitImpl net(spec, ShapeOf(c.hyper()));
    const auto table = net.Positions(3, 3);
    EXPECT_TRUE(IsClose(table, c["param.pos_embed"], {.absolute = 1e-5}));
    TensorDict state;
    for (const auto& [name, value] : c.Under("param.")) {
      state[name.starts_with("head.") ? "fc" + name.substr(4) : name] = value;
    }
    LoadModuleState(net, state, c.name);
    net.to(TestDevice());
    net.train();
    EXPECT_TRUE(IsClose(net.forward(c["in.x"]), c["out.logits"], tolerance));
    LoadModuleState(net, state, c.name);
    EXPECT_TRUE(IsClose(net.Pool(net.Blocks(net.Tokens(c["in.x"]))), c["out.features"], tolerance));
  }
}

TEST(VitGolden, DinoTinyAndSmallOfPatch16) {
  const torch::NoGradGuard no_grad;
  const Tolerance tolerance{.absolute = 1e-4};
  for (const GoldenCase& c : GoldenCases("B_vit_")) {
    for (const std::string kind : {"sin", "hash"}) {
      SCOPED_TRACE(c.name + " " + kind);
      EncoderSpec spec;
      spec.arch = c.name.find("tiny") != std::string::npos ? "vit_tiny" : "vit_small";
      spec.input_size = 224;
      spec.patch_size = 16;
      spec.pooling = "cls";
      spec.embedding_dim = 0;
      const auto net = std::dynamic_pointer_cast<VitImpl>(BlankEncoderNet(spec));
      EXPECT_EQ(net->shape().dim, c.hyper().at("dim").get<int64_t>());
      EXPECT_EQ(net->shape().heads, c.hyper().at("heads").get<int64_t>());
      ASSERT_NO_FATAL_FAILURE(LoadFormula(c, kind, *net));
      net->to(TestDevice());
      net->eval();
      const std::string out = "out." + kind + ".";
      for (const int64_t size : {96, 224}) {
        const auto end = "_" + std::to_string(size);
        const auto x = Input(kind, size).to(TestDevice());
        const auto all = net->IntermediateLayers(x, net->shape().depth);
        EXPECT_TRUE(IsClose(net->forward(x), c[out + "cls" + end], tolerance));
        EXPECT_TRUE(IsClose(all[0].select(1, 0), c[out + "block0_norm_cls" + end], tolerance));
        EXPECT_TRUE(
            IsClose(all.back().slice(1, 1).mean(1), c[out + "patch_mean" + end], tolerance));
        if (size == 224) continue;
        EXPECT_TRUE(IsClose(net->Tokens(x), c[out + "embed" + end], tolerance));
        EXPECT_TRUE(IsClose(all.back(), c[out + "tokens" + end], tolerance));
        EXPECT_TRUE(
            IsClose(net->LastAttention(x).select(2, 0), c[out + "last_attn_cls" + end], tolerance));
      }
    }
  }
}

}  // namespace
}  // namespace v2r
