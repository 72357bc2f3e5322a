// The hand-written forward and backward passes against autograd, and the initialisation.
#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "agents/diag_gaussian.h"
#include "agents/policy_network.h"
#include "core/torch_rng.h"
#include "tests/golden.h"

namespace v2r {
namespace {

torch::Tensor Reference(const TensorDict& params, const std::string& name, size_t hidden,
                        const std::string& activation, torch::Tensor x) {
  for (size_t l = 0; l <= hidden; ++l) {
    const std::string layer = fmt::format("{}.{}.", name, 2 * l);
    x = torch::linear(x, params.at(layer + "weight"), params.at(layer + "bias"));
    if (l == hidden) return x;
    x = activation == "tanh"   ? torch::tanh(x)
        : activation == "relu" ? torch::relu(x)
                               : torch::elu(x);
  }
  return x;
}

class NetworkAgainstAutograd : public ::testing::TestWithParam<std::string> {};

TEST_P(NetworkAgainstAutograd, ForwardAndBackward) {
  Rng rng(3);
  for (const std::vector<int64_t>& hidden : {std::vector<int64_t>{16}, {64, 64}, {8, 24, 8}}) {
    SCOPED_TRACE(hidden.size());
    PolicyNetwork network(
        {.obs_dim = 5, .act_dim = 3, .hidden_sizes = hidden, .activation = GetParam()}, rng,
        TestDevice());
    network.parameters().add_(RandomNormal(rng, network.parameters().sizes()).to(TestDevice()),
                              0.1);
    network.ParametersChanged();
    TensorDict leaves;
    for (const auto& [name, value] : network.named_parameters())
      leaves[name] = value.clone().requires_grad_(true);
    const auto x = RandomNormal(rng, {37, 5}).to(TestDevice());
    const auto grad_mean = RandomNormal(rng, {37, 3}).to(TestDevice());
    const auto grad_value = RandomNormal(rng, {37, 1}).to(TestDevice());

    const auto mean = Reference(leaves, "actor_mean", hidden.size(), GetParam(), x);
    const auto value = Reference(leaves, "critic", hidden.size(), GetParam(), x);
    ((mean * grad_mean).sum() + (value * grad_value).sum()).backward();

    auto buffers = network.MakeBuffers(37);
    network.Forward(x, buffers);
    network.Backward(x, grad_mean, grad_value, buffers);
    EXPECT_TRUE(IsClose(buffers.mean(), mean, {.of_max = 2e-6}));
    EXPECT_TRUE(IsClose(buffers.value(), value, {.of_max = 2e-6}));
    EXPECT_TRUE(IsClose(network.Value(x), value.view({-1}), {.of_max = 2e-6}));
    for (const auto& [name, leaf] : leaves) {
      if (name == "actor_logstd") continue;
      EXPECT_TRUE(IsClose(network.named_gradients().at(name), leaf.grad(), {.of_max = 2e-6}))
          << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, NetworkAgainstAutograd,
                         ::testing::Values("tanh", "relu", "elu"));

TEST(PolicyNetwork, InitialWeightsAreOrthogonalWithTheirGains) {
  Rng rng(1);
  const PolicyNetwork network({.obs_dim = 5, .act_dim = 2, .log_std_init = -0.7}, rng, torch::kCPU);
  const auto& params = network.named_parameters();
  const auto gram = [](const torch::Tensor& w) {
    return w.size(0) < w.size(1) ? w.mm(w.t()) : w.t().mm(w);
  };
  for (const std::string name : {"actor_mean", "critic"}) {
    EXPECT_TRUE(
        IsClose(gram(params.at(name + ".0.weight")), 2 * torch::eye(5), {.absolute = 1e-5}));
    EXPECT_TRUE(
        IsClose(gram(params.at(name + ".2.weight")), 2 * torch::eye(64), {.absolute = 1e-5}));
  }
  EXPECT_TRUE(
      IsClose(gram(params.at("actor_mean.4.weight")), 1e-4 * torch::eye(2), {.absolute = 1e-9}));
  EXPECT_TRUE(IsClose(gram(params.at("critic.4.weight")), torch::eye(1), {.absolute = 1e-5}));
  EXPECT_EQ(params.at("critic.0.bias").abs().max().item<float>(), 0.0f);
  EXPECT_TRUE(IsClose(params.at("actor_logstd"), torch::full({1, 2}, -0.7f), {.absolute = 1e-7}));
  // Another draw, other weights.
  const PolicyNetwork other({.obs_dim = 5, .act_dim = 2}, rng, torch::kCPU);
  EXPECT_FALSE(torch::equal(other.parameters(), network.parameters()));
}

TEST(PolicyNetwork, WithoutOrthogonalWeightsTheyAreTorchs) {
  Rng rng(1);
  const PolicyNetwork network({.obs_dim = 25, .act_dim = 2, .ortho_init = false}, rng, torch::kCPU);
  const auto& params = network.named_parameters();
  for (const auto& [name, bound] : {std::pair<const char*, double>{"actor_mean.0.weight", 0.2},
                                    {"actor_mean.0.bias", 0.2},
                                    {"critic.2.weight", 0.125},
                                    {"actor_mean.4.bias", 0.125}}) {
    const auto& values = params.at(name);
    EXPECT_LE(values.abs().max().item<double>(), bound) << name;
    EXPECT_GT(values.abs().max().item<double>(), 0.1 * bound) << name;
  }
  // A uniform distribution's deviation.
  EXPECT_NEAR(params.at("actor_mean.0.weight").std().item<double>(), 0.2 / std::sqrt(3.0), 5e-3);
}

TEST(PolicyNetwork, LoadNamesTheTensorThatDoesNotFit) {
  Rng rng(1);
  PolicyNetwork network({.obs_dim = 5, .act_dim = 2}, rng, torch::kCPU);
  const PolicyNetwork wider({.obs_dim = 6, .act_dim = 2}, rng, torch::kCPU);
  const PolicyNetwork deeper({.obs_dim = 5, .act_dim = 2, .hidden_sizes = {64, 64, 64}}, rng,
                             torch::kCPU);
  const auto message = [&](const PolicyNetwork& from) {
    try {
      network.Load(from.named_parameters(), "x.safetensors");
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(wider),
              ::testing::AllOf(::testing::HasSubstr("actor_mean.0.weight is"),
                               ::testing::HasSubstr("[64,6]"), ::testing::HasSubstr("[64,5]")));
  EXPECT_THAT(message(deeper), ::testing::HasSubstr("actor_mean.6.bias has no place"));
}

TEST(DiagGaussian, LogProbEntropyAndGradients) {
  const std::vector<float> mean = {0.3f, -1.0f}, log_std = {-0.5f, 0.4f}, action = {0.7f, -2.5f};
  const auto m = torch::tensor(mean, torch::kDouble).requires_grad_(true);
  const auto s = torch::tensor(log_std, torch::kDouble).requires_grad_(true);
  const auto a = torch::tensor(action, torch::kDouble);
  const auto log_prob =
      (-(a - m).square() / (2 * (2 * s).exp()) - s - 0.5 * std::log(2 * std::numbers::pi)).sum();
  log_prob.backward();
  EXPECT_NEAR(GaussianLogProb(mean, log_std, action), log_prob.item<double>(), 1e-9);
  EXPECT_NEAR(GaussianEntropy(log_std), 2 * (0.5 + 0.5 * std::log(2 * std::numbers::pi)) - 0.1,
              1e-7);
  std::vector<float> grad_mean(2, 1.0f);
  std::vector<double> grad_log_std(2, 1.0);
  GaussianLogProbBackward(mean, log_std, action, 2.0, grad_mean, grad_log_std);
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(grad_mean[static_cast<size_t>(i)], 1 + 2 * m.grad()[i].item<double>(), 1e-5);
    EXPECT_NEAR(grad_log_std[static_cast<size_t>(i)], 1 + 2 * s.grad()[i].item<double>(), 1e-9);
  }
}

TEST(DiagGaussian, SamplesHaveTheirMoments) {
  Rng rng(5);
  const std::vector<float> mean = {2.0f}, log_std = {-1.0f};
  double sum = 0, squares = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    std::vector<float> action(1);
    GaussianSample(mean, log_std, rng, action);
    sum += action[0];
    squares += std::pow(action[0] - 2.0, 2);
  }
  EXPECT_NEAR(sum / n, 2.0, 0.015);
  EXPECT_NEAR(std::sqrt(squares / n), std::exp(-1.0), 0.01);
}

}  // namespace
}  // namespace v2r
