// torchvision's ResNets: weights by the formula in the reference files, outputs layer by layer.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/init.h"
#include "models/plan.h"
#include "models/resnet.h"
#include "tests/golden.h"
#include "tests/models/formula.h"

namespace v2r {
namespace {

std::string ArchOf(const std::string& file) {
  for (const auto& arch : EncoderArchNames()) {
    if (file.find(arch) != std::string::npos) return arch;
  }
  throw Error("no known ResNet in the name " + file);
}

TEST(ResNetGolden, MatchesTorchvisionLayerByLayer) {
  const torch::NoGradGuard no_grad;
  const Tolerance tolerance{.of_max = 1e-4};
  for (const GoldenCase& c : GoldenCases("A_resnet")) {
    for (const std::string kind : {"sin", "hash"}) {
      SCOPED_TRACE(c.name + " " + kind);
      const std::string out = "out." + kind + ".";
      EncoderSpec spec;
      spec.arch = ArchOf(c.name);
      spec.embedding_dim = c[out + "fc"].size(1);
      spec.pooling = "avg";
      auto net = std::dynamic_pointer_cast<ResNetImpl>(BlankEncoderNet(spec));
      ASSERT_TRUE(net);
      ASSERT_NO_FATAL_FAILURE(LoadFormula(c, kind, *net));
      net->to(TestDevice());
      net->eval();
      const auto small = Input(kind, 64).to(TestDevice());
      const auto check = "check." + kind + ".input_first8";
      EXPECT_TRUE(IsClose(small.flatten().slice(0, 0, 8), c[check], {.absolute = 1e-7}));
      auto x = net->Stem(small);
      EXPECT_TRUE(IsClose(x, c[out + "stem"], tolerance));
      for (int i = 0; i < 4; ++i) {
        x = net->Layer(i, x);
        EXPECT_TRUE(IsClose(x, c[out + "layer" + std::to_string(i + 1)], tolerance))
            << "layer" << i + 1;
      }
      EXPECT_TRUE(IsClose(net->Pool(x), c[out + "pool"], tolerance));
      EXPECT_TRUE(IsClose(net->forward(small), c[out + "fc"], tolerance));
      EXPECT_TRUE(
          IsClose(net->forward(Input(kind, 224).to(TestDevice())), c[out + "fc_224"], tolerance));
      // The folded, fused form that inference runs.
      InferencePlan plan(3, spec.input_size, TestDevice(), torch::kFloat, 16);
      net->Trace(plan);
      EXPECT_TRUE(IsClose(plan.Run(small), c[out + "fc"], tolerance));
    }
  }
}

}  // namespace
}  // namespace v2r
