// BatchNorm over parts of a batch, against the reference's.

#include "models/split_batchnorm.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "models/encoder.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(SplitBatchNormGolden, ForwardBackwardAndRunningStatistics) {
  for (const GoldenCase& c : GoldenCases("02_split_batchnorm")) {
    SplitBatchNorm2d norm(4);
    norm->splits = 4;
    LoadModuleState(*norm, c.Under("init."), "golden");
    for (int64_t step = 0; step < 2; ++step) {
      SCOPED_TRACE(step);
      const std::string out = "out.step" + std::to_string(step) + ".";
      // Channels-last in memory as in training.
      const auto x =
          c["in.x"][step].contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
      norm->zero_grad();
      const auto y = norm->forward(x);
      EXPECT_TRUE(IsClose(y, c[out + "y"], {.relative = 1e-5, .of_max = 1e-6}));
      y.backward(c["in.grad_out"][step]);
      EXPECT_TRUE(IsClose(x.grad(), c[out + "grad_x"], {.relative = 1e-5, .of_max = 1e-5}));
      EXPECT_TRUE(IsClose(norm->weight.grad(), c[out + "grad_weight"], {.relative = 1e-5}));
      EXPECT_TRUE(IsClose(norm->bias.grad(), c[out + "grad_bias"], {.relative = 1e-5}));
      EXPECT_TRUE(IsClose(norm->running_mean, c[out + "running_mean"], {.relative = 1e-5}));
      EXPECT_TRUE(IsClose(norm->running_var, c[out + "running_var"], {.relative = 1e-5}));
    }
    norm->eval();
    EXPECT_TRUE(
        IsClose(norm->forward(c["in.x"][0]), c["out.eval.y"], {.relative = 1e-5, .of_max = 1e-6}));
  }
}

TEST(SplitBatchNorm, EveryLayerOfAResNetIsFound) {
  Rng rng(1);
  EncoderSpec spec;
  spec.arch = "resnet18";
  spec.width = 0.125;
  spec.input_size = 32;
  const EncoderNet net = MakeEncoderNet(spec, rng);
  EXPECT_EQ(SetBatchNormSplits(*net, 2), 20);
  net->train();
  const auto x = torch::randn({8, 3, 32, 32});
  const auto split = net->forward(x);
  SetBatchNormSplits(*net, 1);
  EXPECT_FALSE(split.allclose(net->forward(x)));
  spec.arch = "conv4";
  EXPECT_EQ(SetBatchNormSplits(*MakeEncoderNet(spec, rng), 2), 0);
}

}  // namespace
}  // namespace v2r
