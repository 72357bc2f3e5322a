#include <functional>

#include "core/tensor_file.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;
using torch::optim::Optimizer;
using Maker = std::function<std::unique_ptr<Optimizer>(std::vector<torch::Tensor>)>;

struct Case {
  const char* name;
  Maker make;
};

// Two groups of parameters with a rate each.
template <typename Optim, typename Options>
std::unique_ptr<Optimizer> TwoGroups(const std::vector<torch::Tensor>& params, Options options) {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{params[0]}, std::make_unique<Options>(options));
  options.lr(options.lr() / 10);
  groups.emplace_back(std::vector<torch::Tensor>{params[1], params[2]},
                      std::make_unique<Options>(options));
  return std::make_unique<Optim>(groups, options);
}

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"Adam",
       [](auto params) {
         return std::make_unique<torch::optim::Adam>(
             params, torch::optim::AdamOptions(1e-2).eps(1e-5).weight_decay(0.01));
       }},
      {"AdamAmsgrad",
       [](auto params) {
         return std::make_unique<torch::optim::Adam>(params,
                                                     torch::optim::AdamOptions(1e-2).amsgrad(true));
       }},
      {"AdamW",
       [](auto params) {
         return std::make_unique<torch::optim::AdamW>(
             params, torch::optim::AdamWOptions(1e-2).weight_decay(0.1));
       }},
      {"AdamWTwoGroups",
       [](auto params) {
         return TwoGroups<torch::optim::AdamW>(params, torch::optim::AdamWOptions(1e-2));
       }},
      {"Sgd",
       [](auto params) {
         return std::make_unique<torch::optim::SGD>(params, torch::optim::SGDOptions(1e-2));
       }},
      {"SgdMomentum", [](auto params) {
         return std::make_unique<torch::optim::SGD>(
             params,
             torch::optim::SGDOptions(1e-2).momentum(0.9).nesterov(true).weight_decay(1e-3));
       }}};
  return cases;
}

// Three parameters, the last of which never gets a gradient.
std::vector<torch::Tensor> MakeParams() {
  std::vector<torch::Tensor> params = {torch::linspace(-1, 1, 12).reshape({3, 4}).clone(),
                                       torch::linspace(0, 2, 4).clone(), torch::ones({2})};
  for (auto& param : params) param.requires_grad_();
  return params;
}

void Train(Optimizer& optimizer, const std::vector<torch::Tensor>& params, int from, int to) {
  for (int i = from; i < to; ++i) {
    optimizer.zero_grad();
    const torch::Tensor x = torch::linspace(-1, 1, 4) * (i + 1);
    (torch::tanh(params[0].matmul(x)).pow(2).sum() + (params[1] * x).sin().sum()).backward();
    optimizer.step();
  }
}

class OptimizerStateTest : public testing::TestWithParam<Case> {};

TEST_P(OptimizerStateTest, ContinuesBitExactlyThroughAFile) {
  const TempFolder folder;
  const auto straight = MakeParams();
  const auto optimizer = GetParam().make(straight);
  Train(*optimizer, straight, 0, 5);
  // A rate that a schedule has changed belongs to the state.
  for (auto& group : optimizer->param_groups())
    group.options().set_lr(group.options().get_lr() / 2);
  WriteSafetensors(folder / "optim", SaveOptimizer(*optimizer), {});

  const auto resumed = MakeParams();
  {
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < resumed.size(); ++i) resumed[i].copy_(straight[i]);
  }
  const auto other = GetParam().make(resumed);
  Train(*other, MakeParams(), 0, 0);
  LoadOptimizer(*other, ReadSafetensors(folder / "optim").tensors, "checkpoint");
  Train(*optimizer, straight, 5, 10);
  Train(*other, resumed, 5, 10);
  for (size_t i = 0; i < resumed.size(); ++i)
    EXPECT_TRUE(torch::equal(resumed[i], straight[i])) << i;
  EXPECT_FALSE(torch::equal(straight[0], MakeParams()[0]));

  const StateDict a = SaveOptimizer(*optimizer), b = SaveOptimizer(*other);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, blob] : a) EXPECT_EQ(blob.bytes, b.at(name).bytes) << name;
}

TEST_P(OptimizerStateTest, AFreshStateLoadsIntoAUsedOptimizer) {
  const auto params = MakeParams();
  const auto optimizer = GetParam().make(params);
  const StateDict fresh = SaveOptimizer(*optimizer);
  Train(*optimizer, params, 0, 3);
  LoadOptimizer(*optimizer, fresh, "checkpoint");
  EXPECT_EQ(SaveOptimizer(*optimizer).size(), fresh.size());
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerStateTest, testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(OptimizerStateErrorTest, ForeignStatesAreNamedAndChangeNothing) {
  const auto params = MakeParams();
  const auto adam = Cases()[0].make(params);
  Train(*adam, params, 0, 2);
  const StateDict good = SaveOptimizer(*adam);
  EXPECT_THAT(good, testing::Contains(testing::Key("0.exp_avg_sq")));
  EXPECT_EQ(good.count("2.step"), 0u);
  const auto message = [&](const StateDict& state) {
    return UserErrorOf([&] { LoadOptimizer(*adam, state, "ckpt"); });
  };
  StateDict state = good;
  state.erase("1.exp_avg");
  EXPECT_THAT(message(state), HasSubstr("ckpt: '1.exp_avg' is missing"));
  state = good;
  state["0.exp_avg"] = ToBlob(torch::zeros({4, 3}));
  EXPECT_THAT(message(state), HasSubstr("'0.exp_avg' should be [3, 4] floating point, is [4, 3]"));
  state = good;
  state["7.step"] = Blob::Scalar<int64_t>(1);
  EXPECT_THAT(message(state), HasSubstr("'7.step' does not belong to this optimiser"));
  state = good;
  state["0.step"] = Blob::Scalar<float>(1);
  EXPECT_THAT(message(state), HasSubstr("'0.step' should be I64"));
  state = good;
  state.erase("group.0.lr");
  EXPECT_THAT(message(state), HasSubstr("group.0.lr"));
  const auto sgd_params = MakeParams();
  const auto sgd = Cases()[5].make(sgd_params);
  Train(*sgd, sgd_params, 0, 1);
  EXPECT_THAT(message(SaveOptimizer(*sgd)), HasSubstr("'0.step' is missing"));
  const StateDict after = SaveOptimizer(*adam);
  for (const auto& [name, blob] : good) EXPECT_EQ(blob.bytes, after.at(name).bytes) << name;
}

}  // namespace
}  // namespace v2r
