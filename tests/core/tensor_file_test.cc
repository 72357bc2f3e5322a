#include "core/tensor_file.h"

#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

TEST(TensorFileTest, BlobsKeepTypeShapeAndBits) {
  for (const auto type :
       {torch::kBool, torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64,
        torch::kFloat16, torch::kBFloat16, torch::kFloat32, torch::kFloat64}) {
    const torch::Tensor tensor = torch::arange(-3, 3).reshape({2, 3}).to(type);
    const torch::Tensor back = ToTensor(ToBlob(tensor));
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(torch::equal(back, tensor)) << torch::toString(type);
  }
  EXPECT_TRUE(torch::equal(ToTensor(ToBlob(torch::tensor(2.5))), torch::tensor(2.5)));
  EXPECT_EQ(ToTensor(ToBlob(torch::empty({0, 3}))).sizes(), torch::IntArrayRef({0, 3}));
  const torch::Tensor view = torch::arange(6).reshape({2, 3}).t();
  EXPECT_TRUE(torch::equal(ToTensor(ToBlob(view)), view)) << "row-major whatever the strides";
  EXPECT_THROW(ToBlob(torch::Tensor()), Error);
}

TEST(TensorFileTest, TensorsOwnTheirMemory) {
  Blob blob = Blob::Of<float>(std::vector<float>{1, 2});
  const torch::Tensor tensor = ToTensor(blob);
  blob.bytes.assign(blob.bytes.size(), 0);
  EXPECT_EQ(tensor[1].item<float>(), 2.f);
}

struct Net : torch::nn::Module {
  explicit Net(int64_t width = 4) {
    first = register_module("first", torch::nn::Linear(3, width));
    plain =
        register_module("plain", torch::nn::Linear(torch::nn::LinearOptions(width, 2).bias(false)));
    norm = register_module("norm", torch::nn::BatchNorm1d(width));
  }
  torch::nn::Linear first{nullptr}, plain{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

TEST(ModuleStateTest, NamesAreTorchvisionsAndValuesLoadThroughAFile) {
  torch::manual_seed(1);
  const TempFolder folder;
  Net source, target;
  source.norm->running_mean.fill_(0.25);
  source.norm->num_batches_tracked.fill_(3);
  const TensorDict state = ModuleState(source);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("first.bias", "first.weight", "norm.bias",
                                          "norm.num_batches_tracked", "norm.running_mean",
                                          "norm.running_var", "norm.weight", "plain.weight"));
  WriteSafetensors(folder / "net", ToStateDict(state), {});
  LoadModuleState(target, ToTensors(ReadSafetensors(folder / "net").tensors), "net");
  for (const auto& [name, tensor] : ModuleState(target)) {
    EXPECT_TRUE(torch::equal(tensor, state.at(name))) << name;
  }
  EXPECT_TRUE(target.first->weight.requires_grad());
  EXPECT_FALSE(torch::equal(target.first->weight, Net().first->weight));
}

TEST(ModuleStateTest, MismatchesAreNamedAndChangeNothing) {
  Net net;
  const torch::Tensor before = net.first->weight.detach().clone();
  TensorDict state;
  for (const auto& [name, tensor] : ModuleState(Net())) state[name] = tensor.clone();
  const auto message = [&] { return UserErrorOf([&] { LoadModuleState(net, state, "enc.st"); }); };

  TensorDict good = state;
  state["first.wieght"] = state["first.weight"];
  state.erase("first.weight");
  EXPECT_EQ(message(),
            "enc.st: tensor 'first.weight' [4, 3] is missing, did you mean 'first.wieght'?");
  state = good;
  state["extra"] = torch::zeros({2});
  EXPECT_THAT(message(), HasSubstr("tensor 'extra' [2] is unexpected"));
  state = good;
  state["plain.weight"] = torch::zeros({2, 5});
  EXPECT_THAT(message(), HasSubstr("'plain.weight' should have shape [2, 4], has [2, 5]"));
  state = good;
  state["norm.running_mean"] = torch::zeros({4}, torch::kInt64);
  EXPECT_THAT(message(), HasSubstr("'norm.running_mean' should be Float, is Long"));
  EXPECT_TRUE(torch::equal(net.first->weight, before));
}

}  // namespace
}  // namespace v2r
