// The passes without torch's operators against autograd and torch::optim::Adam, over every switch
// of the update.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "agents/ppo_learner.h"
#include "core/torch_rng.h"
#include "tests/golden.h"

namespace v2r {
namespace {

constexpr int64_t kSamples = 75, kBatch = 32;

struct Case {
  std::string name;
  PolicyNetworkOptions network = {.obs_dim = 5, .act_dim = 3};
  PpoLearnerOptions learner = {.batch_size = kBatch};
};

std::vector<float> List(const torch::Tensor& tensor) {
  const auto flat = tensor.detach().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

// The same agent as torch would have it written, in double.
class Reference {
 public:
  Reference(const PolicyNetwork& network, const Case& c) : case_(c) {
    std::vector<torch::Tensor> list;
    for (const auto& [name, value] : network.named_parameters()) {
      params_[name] = value.to(torch::kDouble).requires_grad_(true);
      list.push_back(params_[name]);
    }
    adam_ = std::make_unique<torch::optim::Adam>(
        list, torch::optim::AdamOptions(1e-3).eps(c.learner.adam_eps));
  }

  torch::Tensor Pass(const std::string& name, torch::Tensor x, bool activate_last) const {
    for (int64_t l = 0;; l += 2) {
      const auto weight = params_.find(fmt::format("{}.{}.weight", name, l));
      if (weight == params_.end()) return x;
      x = torch::linear(x, weight->second, params_.at(fmt::format("{}.{}.bias", name, l)));
      const bool last = !params_.contains(fmt::format("{}.{}.weight", name, l + 2));
      if (last && !activate_last) continue;
      const std::string& activation = case_.network.activation;
      x = activation == "tanh"   ? torch::tanh(x)
          : activation == "relu" ? torch::relu(x)
                                 : torch::elu(x);
    }
  }

  // d of one minibatch; returns the loss and takes the step.
  std::pair<double, double> Step(const torch::Tensor& obs, const torch::Tensor& actions,
                                 const torch::Tensor& old_log_probs,
                                 const torch::Tensor& old_values, const torch::Tensor& advantages,
                                 const torch::Tensor& returns, double learning_rate) {
    const auto& options = case_.learner;
    const int64_t act_dim = case_.network.act_dim;
    const auto x = Pass("trunk", obs, true);
    const auto out = Pass("actor_mean", x, false);
    const auto mean = out.narrow(1, 0, act_dim);
    auto log_std = case_.network.state_dependent_std ? out.narrow(1, act_dim, act_dim)
                                                     : params_.at("actor_logstd").expand_as(mean);
    log_std = log_std.clamp(options.head.log_std_min, options.head.log_std_max);
    const auto value = Pass("critic", x, false).view({-1});
    const auto z = (actions - mean) / log_std.exp();
    auto log_probs = (-0.5 * z * z - log_std - 0.5 * std::log(2 * std::numbers::pi)).sum(1);
    auto entropy = (log_std + 0.5 + 0.5 * std::log(2 * std::numbers::pi)).sum(1).mean();
    if (options.head.squash) {
      log_probs = log_probs - (1 - torch::tanh(actions).square()).log().sum(1);
      entropy = -log_probs.mean();
    }
    const auto ratio = (log_probs - old_log_probs).exp();
    auto a = advantages;
    if (options.loss.norm_adv) a = (a - a.mean()) / (a.std() + 1e-8);
    const double clip = options.loss.clip_coef;
    const auto pg_loss = torch::max(-a * ratio, -a * ratio.clamp(1 - clip, 1 + clip)).mean();
    auto square = (value - returns).square();
    if (options.loss.clip_vloss) {
      const auto clipped = old_values + (value - old_values).clamp(-clip, clip);
      square = torch::max(square, (clipped - returns).square());
    }
    const auto excess = (mean.abs() - 1.1).clamp_min(0);
    const auto loss = pg_loss - options.loss.ent_coef * entropy +
                      options.loss.vf_coef * 0.5 * square.mean() +
                      options.head.bounds_loss_coef * excess.square().sum(1).mean();
    adam_->zero_grad();
    loss.backward();
    std::vector<torch::Tensor> list;
    for (const auto& [name, value_of] : params_) list.push_back(value_of);
    double norm = 0;
    for (const auto& p : list)
      norm += p.grad().defined() ? p.grad().square().sum().item<double>() : 0;
    if (options.max_grad_norm > 0) torch::nn::utils::clip_grad_norm_(list, options.max_grad_norm);
    for (auto& group : adam_->param_groups())
      static_cast<torch::optim::AdamOptions&>(group.options()).lr(learning_rate);
    adam_->step();
    return {loss.item<double>(), std::sqrt(norm)};
  }

  const TensorDict& params() const { return params_; }

 private:
  Case case_;
  TensorDict params_;
  std::unique_ptr<torch::optim::Adam> adam_;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const std::function<void(Case&)>& change) {
    Case c{.name = name};
    change(c);
    cases.push_back(c);
  };
  for (const std::string activation : {"tanh", "relu", "elu"})
    add(activation, [&](Case& c) { c.network.activation = activation; });
  add("one_layer", [](Case& c) { c.network.hidden_sizes = {24}; });
  add("odd_widths", [](Case& c) { c.network.hidden_sizes = {7, 33, 17}; });
  add("wide", [](Case& c) {
    c.network.hidden_sizes = {256, 128};
    c.network.obs_dim = 16;
    c.network.act_dim = 17;
  });
  add("value_hidden_sizes", [](Case& c) { c.network.value_hidden_sizes = {48, 20, 9}; });
  add("shared_trunk", [](Case& c) { c.network.shared_trunk = true; });
  add("state_dependent_std", [](Case& c) {
    c.network.state_dependent_std = true;
    c.learner.loss.ent_coef = 0.1;
  });
  add("shared_trunk_state_dependent_std", [](Case& c) {
    c.network.shared_trunk = c.network.state_dependent_std = true;
    c.network.hidden_sizes = {20, 12};
  });
  add("clamped_std", [](Case& c) {
    c.learner.head.log_std_max = -0.6;
    c.learner.loss.ent_coef = 0.1;
  });
  add("clamped_state_dependent_std", [](Case& c) {
    c.network.state_dependent_std = true;
    c.learner.head.log_std_min = -0.5;
    c.learner.loss.ent_coef = 0.1;
  });
  add("squash", [](Case& c) {
    c.learner.head.squash = true;
    c.learner.loss.ent_coef = 0.1;
  });
  add("bounds_loss", [](Case& c) { c.learner.head.bounds_loss_coef = 0.7; });
  add("clip_vloss", [](Case& c) { c.learner.loss.clip_vloss = true; });
  add("no_norm_adv", [](Case& c) { c.learner.loss.norm_adv = false; });
  add("ent_coef", [](Case& c) { c.learner.loss.ent_coef = 0.2; });
  add("no_clipping", [](Case& c) { c.learner.max_grad_norm = 0; });
  add("adam_eps", [](Case& c) { c.learner.adam_eps = 1e-3; });
  return cases;
}

class FusedAgainstAutograd : public ::testing::TestWithParam<std::tuple<size_t, bool>> {};

TEST_P(FusedAgainstAutograd, MinibatchesOfTwoEpochs) {
  Case c = Cases()[std::get<0>(GetParam())];
  c.network.fused = std::get<1>(GetParam());
  SCOPED_TRACE(c.name);
  Rng rng(3);
  PolicyNetwork network(c.network, rng, torch::kCPU);
  network.parameters().add_(RandomNormal(rng, network.parameters().sizes()), 0.05);
  network.ParametersChanged();
  ASSERT_EQ(network.fused() != nullptr, c.network.fused);
  PpoLearner learner(network, c.learner);
  Reference reference(network, c);

  const int64_t obs_dim = c.network.obs_dim, act_dim = c.network.act_dim;
  const auto obs = RandomNormal(rng, {kSamples, obs_dim});
  const auto actions = RandomNormal(rng, {kSamples, act_dim});
  const auto values = RandomNormal(rng, {kSamples}), returns = RandomNormal(rng, {kSamples});
  const auto advantages = RandomNormal(rng, {kSamples});
  // Near enough to the policy that some ratios are inside the clipping range.
  GaussianHeadOptions head_options = c.learner.head;
  head_options.act_dim = act_dim;
  head_options.state_dependent_std = c.network.state_dependent_std;
  GaussianHead head(head_options);
  const auto actor = network.Actor(obs);
  std::vector<float> now(kSamples);
  head.LogProbs({.rows = kSamples,
                 .actor = actor.data_ptr<float>(),
                 .stride = head.outputs(),
                 .log_std = {network.log_std().data_ptr<float>(),
                             static_cast<size_t>(network.log_std().numel())},
                 .actions = actions.data_ptr<float>()},
                now);
  const auto old_log_probs = torch::tensor(now) + 0.2 * RandomNormal(rng, {kSamples});
  learner.SetSamples({.obs = List(obs),
                      .actions = List(actions),
                      .log_probs = List(old_log_probs),
                      .values = List(values),
                      .advantages = List(advantages),
                      .returns = List(returns)});
  // Log-probabilities are float32: with 17 actions that alone is 4e-6 of a ratio.
  const Tolerance tolerance{.relative = c.network.act_dim > 3 ? 1e-5 : 3e-6, .absolute = 1e-6};
  for (int epoch = 0; epoch < 2; ++epoch) {
    const std::vector<int64_t> order = rng.Permutation(kSamples);
    learner.Shuffle(order);
    ASSERT_EQ(learner.num_minibatches(), 3);
    for (int64_t i = 0; i < 3; ++i) {
      SCOPED_TRACE(fmt::format("epoch {} minibatch {}", epoch, i));
      const auto chosen = torch::tensor(order).narrow(0, i * kBatch, i < 2 ? kBatch : 11);
      const auto pick = [&](const torch::Tensor& t) {
        return t.index_select(0, chosen).to(torch::kDouble);
      };
      const double rate = 3e-4;
      const auto [loss, norm] = reference.Step(pick(obs), pick(actions), pick(old_log_probs),
                                               pick(values), pick(advantages), pick(returns), rate);
      const PpoStepResult result = learner.Step(i, rate);
      EXPECT_TRUE(IsClose(result.loss.loss, loss, tolerance));
      EXPECT_TRUE(IsClose(result.grad_norm, norm, tolerance));
    }
  }
  for (const auto& [name, value] : reference.params()) {
    EXPECT_TRUE(IsClose(network.named_parameters().at(name), value.detach().to(torch::kFloat),
                        {.absolute = 1e-6}))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Switches, FusedAgainstAutograd,
                         ::testing::Combine(::testing::Range<size_t>(0, Cases().size()),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return Cases()[std::get<0>(info.param)].name +
                                  (std::get<1>(info.param) ? "_fused" : "_torch");
                         });

TEST(FusedPolicy, SaysWhyItCannotServe) {
  Rng rng(1);
  const PolicyNetwork off({.obs_dim = 2, .act_dim = 1, .fused = false}, rng, torch::kCPU);
  EXPECT_EQ(off.fused(), nullptr);
  EXPECT_THAT(off.fused_obstacle(), ::testing::HasSubstr("agent.fused"));
  const PolicyNetwork wide({.obs_dim = 2, .act_dim = 1, .hidden_sizes = {513}}, rng, torch::kCPU);
  EXPECT_EQ(wide.fused(), nullptr);
  EXPECT_THAT(wide.fused_obstacle(), ::testing::HasSubstr("513 units"));
}

// Acting on one observation and learning on many must not differ in a single bit.
TEST(FusedPolicy, ARowDoesNotDependOnTheOthers) {
  Rng rng(1);
  const PolicyNetwork network({.obs_dim = 5, .act_dim = 3, .hidden_sizes = {40, 17}}, rng,
                              torch::kCPU);
  const auto x = RandomNormal(rng, {23, 5});
  const auto all = network.Actor(x), values = network.Value(x);
  for (int64_t i = 0; i < 23; ++i) {
    EXPECT_TRUE(torch::equal(network.Actor(x.narrow(0, i, 1))[0], all[i]));
    EXPECT_TRUE(torch::equal(network.Value(x.narrow(0, i, 1))[0], values[i]));
  }
}

class SimdKernelsTest : public ::testing::TestWithParam<size_t> {
 protected:
  const SimdKernels& kernels() const { return AvailableSimdKernels()[GetParam()]; }
};

TEST_P(SimdKernelsTest, Products) {
  Rng rng(1);
  for (const auto& [m, n, k] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 16, 1}, {5, 48, 7}, {64, 64, 64}, {13, 80, 65}}) {
    const auto a = RandomNormal(rng, {m, k}), b = RandomNormal(rng, {k, n});
    const auto bias = RandomNormal(rng, {n});
    auto c = torch::empty({m, n});
    const auto at = a.t().contiguous();
    kernels().gemm(m, n, k, a.data_ptr<float>(), k, 1, b.data_ptr<float>(), n,
                   bias.data_ptr<float>(), c.data_ptr<float>(), n);
    EXPECT_TRUE(IsClose(c, a.mm(b) + bias, {.absolute = 2e-5}));
    kernels().gemm(m, n, k, at.data_ptr<float>(), 1, m, b.data_ptr<float>(), n, nullptr,
                   c.data_ptr<float>(), n);
    EXPECT_TRUE(IsClose(c, a.mm(b), {.absolute = 2e-5}));
    auto sums = torch::empty({n});
    kernels().column_sums(k, n, b.data_ptr<float>(), n, sums.data_ptr<float>());
    EXPECT_TRUE(IsClose(sums, b.sum(0), {.absolute = 1e-5}));
    const int64_t padded = SimdPadded(m);
    auto transposed = torch::full({k, padded}, 7.0f);
    kernels().transpose(m, k, a.data_ptr<float>(), k, transposed.data_ptr<float>(), padded);
    EXPECT_TRUE(torch::equal(transposed.narrow(1, 0, m), at));
    EXPECT_EQ(transposed.narrow(1, m, padded - m).abs().sum().item<float>(), 0.0f);
    EXPECT_NEAR(kernels().sum_of_squares(a.data_ptr<float>(), m * k),
                a.to(torch::kDouble).square().sum().item<double>(), 1e-9 * m * k);
  }
}

TEST_P(SimdKernelsTest, Activations) {
  const auto x = torch::linspace(-100, 100, 16000);
  const auto run = [&](Activation activation, const torch::Tensor& in) {
    auto y = in.clone();
    kernels().activate(activation, y.data_ptr<float>(), y.numel());
    return y;
  };
  for (const double scale : {1.0, 0.02}) {
    const auto in = x * scale;
    EXPECT_TRUE(IsClose(run(Activation::kTanh, in), in.tanh(), {.absolute = 2e-7}));
    EXPECT_TRUE(IsClose(run(Activation::kElu, in), torch::elu(in), {.absolute = 2e-7}));
    EXPECT_TRUE(torch::equal(run(Activation::kRelu, in), in.relu()));
  }
  // What is not a number must not vanish: the update would not notice that it has diverged.
  const auto nan = torch::full({16}, std::nanf(""));
  for (const auto activation : {Activation::kTanh, Activation::kElu, Activation::kRelu})
    EXPECT_TRUE(run(activation, nan).isnan().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, SimdKernelsTest,
                         ::testing::Range<size_t>(0, AvailableSimdKernels().size()),
                         [](const auto& info) { return AvailableSimdKernels()[info.param].name; });

}  // namespace
}  // namespace v2r
