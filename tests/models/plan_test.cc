// Inference plans against the modules they were made from: folding, fusing, number types,
// independence of rows.

#include "models/plan.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "learn/measures.h"
#include "tests/golden.h"
#include "tests/models/helpers.h"

namespace v2r {
namespace {

torch::Tensor ModuleEmbedding(EncoderNetImpl& net, const torch::Tensor& frames) {
  const torch::NoGradGuard no_grad;
  return net.forward(Preprocess(net.spec(), frames));
}

std::vector<double> Values(const torch::Tensor& x) {
  const auto flat = x.to(torch::kDouble).flatten().contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

class EveryArch : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryArch, FoldedPlanEqualsTheModule) {
  for (const std::string pooling : {"flatten", "avg"}) {
    for (const int64_t dim : {0, 12}) {
      if (dim > 0 && GetParam() == "pixels") continue;  // it has no last layer
      SCOPED_TRACE(pooling + " " + std::to_string(dim));
      EncoderSpec spec = SmallSpec(GetParam());
      spec.pooling = pooling;
      spec.embedding_dim = dim;
      const EncoderNet net = RandomNet(spec);
      const auto frames = RandomPictures(20, spec.input_size);
      const auto expected = ModuleEmbedding(*net, frames);
      ASSERT_EQ(expected.size(1), net->output_dim());
      net->to(TestDevice());
      const Encoder encoder = MakeEncoder(net, {}, TestDevice(), "float32");
      const auto actual = encoder.Embed(frames);
      EXPECT_EQ(actual.scalar_type(), torch::kFloat);
      EXPECT_TRUE(IsClose(actual, expected, {.of_max = 2e-5}));
    }
  }
}

class EveryNetwork : public ::testing::TestWithParam<std::string> {};

double Rms(const torch::Tensor& difference) {
  return difference.square().mean().sqrt().item<double>();
}

// Random weights are the worst case: the embedding's spread is small beside its mean, and rounding
// grows with depth (ResNet-50: .101 on a processor without bfloat16 instructions, which sums in
// another order; ResNet-101: .53 and .84 at most on two processors). So: a bound for every depth,
// and never worse than the plain module in bfloat16.
TEST_P(EveryNetwork, Bfloat16StaysCloseAndKeepsTheOrder) {
  const bool deep = GetParam().starts_with("resnet"), deepest = GetParam() == "resnet101";
  const EncoderSpec spec = SmallSpec(GetParam());
  const EncoderNet net = RandomNet(spec);
  const auto frames = RandomPictures(64, spec.input_size);
  const auto x = Preprocess(spec, frames);
  DataDependentInit(*net, x);  // deviations of the embedding are 1
  net->to(TestDevice());
  const auto exact = MakeEncoder(net, {}, TestDevice(), "float32").Embed(frames).cpu();
  const auto rounded = MakeEncoder(net, {}, TestDevice(), "bfloat16").Embed(frames).cpu();
  EXPECT_FALSE(torch::equal(exact, rounded));
  EXPECT_LT((exact - rounded).abs().max().item<double>(), deepest ? 1.2 : deep ? 0.5 : 0.15);
  EXPECT_LT(Rms(exact - rounded), deepest ? 0.2 : deep ? 0.15 : 0.03);
  const auto goal = [](const torch::Tensor& z) { return (z - z[0]).norm(2, 1).slice(0, 1); };
  EXPECT_GE(Spearman(Values(goal(exact)), Values(goal(rounded))), deepest ? 0.97
                                                                  : deep  ? 0.99
                                                                          : 0.999);
  const torch::NoGradGuard no_grad;
  net->to(torch::kBFloat16);
  const auto plain = net->forward(x.to(TestDevice(), torch::kBFloat16)).to(torch::kFloat).cpu();
  EXPECT_LT(Rms(exact - rounded), 1.1 * Rms(exact - plain));
}

TEST_P(EveryArch, ARowDoesNotDependOnItsCompany) {
  for (const std::string dtype : {"float32", "bfloat16"}) {
    SCOPED_TRACE(dtype);
    const EncoderSpec spec = SmallSpec(GetParam());
    const Encoder encoder = MakeEncoder(RandomNet(spec), {}, TestDevice(), dtype);
    const auto frames = RandomPictures(150, spec.input_size);  // more than a chunk
    const auto together = encoder.Embed(frames).cpu();
    for (const int64_t count : {1, 3, 16, 21, 64, 129}) {
      for (const int64_t begin : {0, 20}) {
        const auto part = encoder.Embed(frames.slice(0, begin, begin + count)).cpu();
        const auto expected = together.slice(0, begin, begin + count);
        // A matrix product of a transformer may round by the number of its rows.
        const bool exact = TestDevice().is_cpu() && !GetParam().starts_with("vit_");
        if (exact) {
          EXPECT_TRUE(torch::equal(part, expected))
              << begin << " " << count << " " << (part - expected).abs().max().item<double>();
        } else {
          EXPECT_TRUE(IsClose(part, expected, {.of_max = dtype == "float32" ? 1e-6 : 1e-3}));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Archs, EveryArch, ::testing::ValuesIn(EncoderArchNames()));
INSTANTIATE_TEST_SUITE_P(Archs, EveryNetwork, ::testing::ValuesIn(NetworkArchs()));

TEST(InferencePlan, ResidualSumsAndStridesAtOddSizes) {
  EncoderSpec spec = SmallSpec("resnet50");
  spec.input_size = 45;  // every stage has an odd size somewhere
  spec.pooling = "flatten";
  const EncoderNet net = RandomNet(spec);
  const auto frames = RandomPictures(5, 45);
  const auto actual = MakeEncoder(net, {}, torch::kCPU, "float32").Embed(frames);
  EXPECT_TRUE(IsClose(actual, ModuleEmbedding(*net, frames), {.of_max = 2e-5}));
}

TEST(InferencePlan, RefusesAnotherShapeOrType) {
  const EncoderSpec spec = SmallSpec("conv4");
  InferencePlan plan(3, spec.input_size, torch::kCPU, torch::kFloat, 16);
  RandomNet(spec)->Trace(plan);
  EXPECT_EQ(plan.Run(torch::zeros({2, 3, 32, 32})).sizes(), (std::vector<int64_t>{2, 12}));
  EXPECT_THROW(plan.Run(torch::zeros({2, 3, 31, 32})), Error);
  EXPECT_THROW(plan.Run(torch::zeros({2, 3, 32, 32}, torch::kBFloat16)), Error);
}

}  // namespace
}  // namespace v2r
