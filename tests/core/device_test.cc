#include "core/device.h"

#include "core/torch_rng.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

TEST(DeviceTest, CpuIsAlwaysThere) {
  EXPECT_TRUE(ResolveDevice("cpu").is_cpu());
  EXPECT_THAT(DescribeDevice(ResolveDevice("cpu")), HasSubstr("cpu ("));
}

TEST(DeviceTest, AutoFollowsWhatTheHostHas) {
  std::string why;
  const bool available = CudaAvailable(&why);
  EXPECT_EQ(why.empty(), available);
  EXPECT_EQ(CudaAvailable(), available);
  EXPECT_EQ(ResolveDevice("auto").is_cuda(), available);
  if (available) {
    EXPECT_TRUE(ResolveDevice("cuda:0").is_cuda());
    EXPECT_THROW(ResolveDevice("cuda:120"), UserError);
  } else {
    EXPECT_THAT(UserErrorOf([] { ResolveDevice("cuda"); }), HasSubstr(why));
    EXPECT_THROW(ResolveDevice("cuda:0"), UserError);
  }
}

TEST(DeviceTest, UnknownNamesAreRefused) {
  EXPECT_THAT(UserErrorOf([] { ResolveDevice("cud"); }), HasSubstr("did you mean 'cuda'?"));
  for (const char* name : {"", "gpu0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x"}) {
    EXPECT_THAT(UserErrorOf([&] { ResolveDevice(name); }), HasSubstr("unknown device")) << name;
  }
}

TEST(DeviceTest, ThreadsAreSetAndReported) {
  EXPECT_EQ(SetTorchThreads(1), 1);
  EXPECT_EQ(SetTorchThreads(2), 2);
  EXPECT_GE(SetTorchThreads(0), 1);
  EXPECT_THROW(SetTorchThreads(-1), UserError);
}

TEST(TorchRngTest, GeneratorsFollowTheStream) {
  Rng a(3), b(3);
  torch::Generator ga = MakeGenerator(a), gb = MakeGenerator(b);
  const torch::Tensor x = torch::randn({8}, ga);
  EXPECT_TRUE(torch::equal(x, torch::randn({8}, gb)));
  torch::Generator next = MakeGenerator(a);
  EXPECT_FALSE(torch::equal(x, torch::randn({8}, next)));
  EXPECT_NE(Rng(3).NextU64(), a.NextU64());
}

TEST(TorchRngTest, TensorsComeFromOurOwnStream) {
  Rng rng(5), same(5);
  const torch::Tensor normal = RandomNormal(rng, {100, 50});
  EXPECT_EQ(normal.dtype(), torch::kFloat32);
  EXPECT_EQ(normal[0][1].item<float>(), (same.Normal(), static_cast<float>(same.Normal())));
  EXPECT_NEAR(normal.mean().item<double>(), 0.0, 0.06);
  EXPECT_NEAR(normal.std().item<double>(), 1.0, 0.05);
  const torch::Tensor uniform = RandomUniform(rng, {5000});
  EXPECT_GE(uniform.min().item<float>(), 0.f);
  EXPECT_LT(uniform.max().item<float>(), 1.f);
  EXPECT_NEAR(uniform.mean().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(uniform.var().item<double>(), 1.0 / 12, 0.005);
  const torch::Tensor order = RandomPermutation(rng, 50);
  EXPECT_EQ(order.dtype(), torch::kInt64);
  EXPECT_TRUE(torch::equal(std::get<0>(order.sort()), torch::arange(50)));
  EXPECT_FALSE(torch::equal(order, torch::arange(50)));
}

}  // namespace
}  // namespace v2r
