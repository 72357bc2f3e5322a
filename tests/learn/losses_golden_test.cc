// Losses, heads and rewards against the reference implementations' numbers.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "core/rng.h"
#include "learn/losses.h"
#include "learn/projection_head.h"
#include "learn/rank2reward.h"
#include "tests/golden.h"

namespace v2r {
namespace {

torch::Tensor Leaf(const torch::Tensor& value) {
  return value.detach().clone().requires_grad_(true);
}

torch::Tensor GradOf(const torch::Tensor& loss, const torch::Tensor& leaf) {
  return torch::autograd::grad({loss}, {leaf})[0];
}

// The prefixes X of tensors named "X" + `suffix`.
std::set<std::string> Cases(const GoldenCase& c, const std::string& start,
                            const std::string& suffix) {
  std::set<std::string> found;
  for (const auto& [name, tensor] : c.tensors) {
    if (name.starts_with(start) && name.ends_with(suffix)) {
      found.insert(name.substr(start.size(), name.size() - start.size() - suffix.size()));
    }
  }
  return found;
}

double NumberAfter(const std::string& text, const std::string& key) {
  return std::stod(text.substr(text.find(key) + key.size()));
}

// loss at any scale: relative to the loss itself; gradients relative to their largest entry too, as
// they pass through zero.
constexpr Tolerance kLoss{.relative = 2e-6, .absolute = 1e-7};
constexpr Tolerance kGrad{.relative = 1e-5, .of_max = 2e-6};

TEST(NtXentGolden, ReleasedLossAndGradient) {
  for (const GoldenCase& c : GoldenCases("05_simclr_ntxent")) {
    int64_t count = 0;
    for (const std::string& name : Cases(c, "out.T", ".loss")) {
      SCOPED_TRACE(c.name + " T" + name);
      const double temperature = NumberAfter("T" + name, "T");
      const bool normalize = name.find("norm1") != std::string::npos;
      const auto hidden = Leaf(c["in.T" + name + ".hidden"]);
      const int64_t n = hidden.size(0) / 2;
      const auto loss =
          NtXent(hidden.slice(0, 0, n), hidden.slice(0, n), temperature, "simclr", normalize);
      EXPECT_TRUE(IsClose(loss, c["out.T" + name + ".loss"], kLoss));
      EXPECT_TRUE(IsClose(GradOf(loss, hidden), c["out.T" + name + ".grad_hidden"], kGrad));
      const auto mean =
          NtXent(hidden.slice(0, 0, n), hidden.slice(0, n), temperature, "mean", normalize);
      EXPECT_TRUE(IsClose(mean * 2, c["out.T" + name + ".loss"], kLoss));
      ++count;
    }
    EXPECT_GT(count, 0);
  }
}

TEST(NtXentGolden, RowsGatheredFromTwoProcesses) {
  for (const GoldenCase& c : GoldenCases("05_simclr_ntxent")) {
    SCOPED_TRACE(c.name);
    const auto hidden = Leaf(c["in.replica2.hidden"]);  // [replicas, 2N, D]
    const int64_t replicas = hidden.size(0), n = hidden.size(1) / 2;
    const auto z = L2Normalize(hidden);  // the file's temperature is .5
    const auto all1 = z.slice(1, 0, n).flatten(0, 1), all2 = z.slice(1, n).flatten(0, 1);
    std::vector<torch::Tensor> losses;
    for (int64_t r = 0; r < replicas; ++r) {
      losses.push_back(
          NtXentGathered(z[r].slice(0, 0, n), z[r].slice(0, n), all1, all2, r * n, 0.5, "simclr"));
    }
    const auto loss = torch::stack(losses);
    EXPECT_TRUE(IsClose(loss, c["out.replica2.loss_per_replica"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(loss.mean(), hidden), c["out.replica2.grad_of_mean_loss"], kGrad));
  }
}

TEST(DistillationGolden, LossAndGradient) {
  for (const GoldenCase& c : GoldenCases("06_simclr_distill")) {
    for (const std::string& tau : Cases(c, "in.tau", ".student")) {
      SCOPED_TRACE(c.name + " tau" + tau);
      const auto student = Leaf(c["in.tau" + tau + ".student"]);
      const auto loss = DistillationLoss(student, c["in.tau" + tau + ".teacher"], std::stod(tau));
      EXPECT_TRUE(IsClose(loss, c["out.tau" + tau + ".loss"], kLoss));
      EXPECT_TRUE(IsClose(GradOf(loss, student), c["out.tau" + tau + ".grad_student"], kGrad));
    }
  }
}

TEST(ProjectionHeadGolden, ForwardBackwardAndStatistics) {
  for (const GoldenCase& c : GoldenCases("06_simclr_head")) {
    SCOPED_TRACE(c.name);
    const auto layers = static_cast<int64_t>(Cases(c, "param.nl_", ".kernel_in_out").size());
    const auto x = Leaf(c["in.x"]);
    Rng rng(1);
    ProjectionHeadImpl head({.in_dim = x.size(1),
                             .hidden_dim = c["param.nl_0.kernel_in_out"].size(1),
                             .out_dim = c["out.proj"].size(1),
                             .layers = layers},
                            rng);
    TensorDict state = ModuleState(head);
    for (int64_t i = 0; i < layers; ++i) {
      const std::string ours = "nl_" + std::to_string(i) + ".", theirs = "param." + ours;
      state[ours + "dense.weight"] = c[theirs + "kernel_in_out"].t();
      state[ours + "bn.weight"] = c[theirs + "gamma"];
      if (c.has(theirs + "beta")) state[ours + "bn.bias"] = c[theirs + "beta"];
    }
    LoadModuleState(head, state, c.name);
    head.to(TestDevice());
    head.train();
    const auto outputs = head.Layers(x);
    EXPECT_TRUE(IsClose(outputs.back(), c["out.proj"], {.of_max = 1e-5}));
    for (int64_t i = 1; i < layers; ++i) {
      EXPECT_TRUE(
          IsClose(outputs[i], c["out.ft_proj_selector" + std::to_string(i)], {.of_max = 1e-5}));
    }
    outputs.back().backward(c["in.grad_out"]);
    EXPECT_TRUE(IsClose(x.grad(), c["out.grad_x"], {.of_max = 1e-5}));
    const auto parameters = head.named_parameters();
    const auto buffers = head.named_buffers();
    for (int64_t i = 0; i < layers; ++i) {
      const std::string number = std::to_string(i), ours = "nl_" + number + ".",
                        theirs = "out.grad." + ours;
      EXPECT_TRUE(IsClose(parameters[ours + "dense.weight"].grad(), c[theirs + "kernel_in_out"].t(),
                          {.of_max = 1e-5}));
      EXPECT_TRUE(
          IsClose(parameters[ours + "bn.weight"].grad(), c[theirs + "gamma"], {.of_max = 1e-5}));
      if (c.has(theirs + "beta")) {
        EXPECT_TRUE(
            IsClose(parameters[ours + "bn.bias"].grad(), c[theirs + "beta"], {.of_max = 1e-5}));
      } else {
        EXPECT_FALSE(parameters[ours + "bn.bias"].requires_grad());
      }
      EXPECT_TRUE(IsClose(buffers[ours + "bn.running_mean"], c["out.moving_mean" + number],
                          {.of_max = 1e-5}));
      EXPECT_TRUE(IsClose(buffers[ours + "bn.running_var"],
                          c["out.moving_var" + number + "_torch_unbiased"], {.of_max = 1e-5}));
    }
  }
}

TEST(TcnTripletGolden, LossDistancesAndGradient) {
  for (const GoldenCase& c : GoldenCases("15_tcn_triplet")) {
    SCOPED_TRACE(c.name);
    const double margin = c.hyper().at("margin"), alpha = c.hyper().at("alpha");
    EXPECT_TRUE(IsClose(L2Normalize(c["in.raw"]) * alpha, c["in.embs_anchor_pos_neg"],
                        {.relative = 2e-6, .absolute = 1e-6}));
    const auto embeddings = Leaf(c["in.embs_anchor_pos_neg"]);
    const auto loss = TcnTriplet(embeddings[0], embeddings[1], embeddings[2], margin);
    EXPECT_TRUE(IsClose(loss, c["out.loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(loss, embeddings), c["out.grad"], kGrad));
    const auto raw = Leaf(c["in.unnorm"]);
    const auto raw_loss = TcnTriplet(raw[0], raw[1], raw[2], margin);
    EXPECT_TRUE(IsClose(raw_loss, c["out.unnorm.loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(raw_loss, raw), c["out.unnorm.grad"], kGrad));
  }
}

TEST(XirlTcnGolden, ThreeTrainers) {
  for (const GoldenCase& c : GoldenCases("15_xirl_tcn")) {
    SCOPED_TRACE(c.name);
    const auto embeddings = Leaf(c["in.embs"]);
    const auto check = [&](const torch::Tensor& loss, const std::string& name,
                           const Tolerance& tolerance) {
      SCOPED_TRACE(name);
      EXPECT_TRUE(IsClose(loss, c["out." + name + ".loss"], tolerance));
      EXPECT_TRUE(IsClose(GradOf(loss, embeddings), c["out." + name + ".grad"],
                          {.of_max = tolerance.relative}));
    };
    check(XirlTcn(embeddings, c["in.positives"], c["in.negatives"], c.hyper().at("temperature")),
          "tcn", {.relative = 1e-5});
    for (const std::string& name : Cases(c, "out.tcn_ce_t", ".loss")) {
      check(XirlTcnCrossEntropy(embeddings, std::stod(name)), "tcn_ce_t" + name,
            {.relative = 1e-5});
    }
    check(Lifs(embeddings), "lifs",
          {.relative = 1e-4});  // the reference's distances are matrix products there
  }
}

// The two-layer perceptron of the files: Linear, LeakyReLU(.01), Linear.
struct Perceptron {
  torch::Tensor weight0, bias0, weight2, bias2;
  Perceptron(const GoldenCase& c, const std::string& prefix)
      : weight0(Leaf(c[prefix + "0.weight"])),
        bias0(Leaf(c[prefix + "0.bias"])),
        weight2(Leaf(c[prefix + "2.weight"])),
        bias2(Leaf(c[prefix + "2.bias"])) {}
  torch::Tensor operator()(const torch::Tensor& x) const {
    return torch::linear(torch::leaky_relu(torch::linear(x, weight0, bias0), 0.01), weight2, bias2);
  }
  void ExpectGradients(const torch::Tensor& loss, const GoldenCase& c,
                       const std::string& prefix) const {
    const auto grads = torch::autograd::grad({loss}, {weight0, bias0, weight2, bias2});
    const char* names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
    for (int i = 0; i < 4; ++i)
      EXPECT_TRUE(IsClose(grads[i], c[prefix + names[i]], kGrad)) << prefix << names[i];
  }
};

TEST(Rank2RewardGolden, RankingLoss) {
  for (const GoldenCase& c : GoldenCases("18_rank2reward")) {
    SCOPED_TRACE(c.name);
    const Perceptron net(c, "param.rank.");
    const auto logits = net(c["in.states_t"]), other = net(c["in.states_other"]);
    EXPECT_TRUE(IsClose(logits, c["out.rank.logits_t"], {.of_max = 2e-6}));
    const auto loss = Rank2RewardRanking(logits, other, c["in.t"], c["in.t_other"]);
    EXPECT_TRUE(IsClose(loss, c["out.rank.loss"], kLoss));
    net.ExpectGradients(loss, c, "out.rank.grad.");
    const auto pair = Leaf(c["in.logit_case.logits"]);
    const auto pair_loss = Rank2RewardRanking(pair.slice(1, 0, 1), pair.slice(1, 1, 2),
                                              c["in.logit_case.t"], c["in.logit_case.t_other"]);
    EXPECT_TRUE(IsClose(pair_loss, c["out.logit_case.loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(pair_loss, pair), c["out.logit_case.grad"], kGrad));
  }
}

TEST(Rank2RewardGolden, ClassifierMixupAndRewards) {
  for (const GoldenCase& c : GoldenCases("18_rank2reward")) {
    SCOPED_TRACE(c.name);
    const Perceptron classifier(c, "param.cls."), ranking(c, "param.rank.");
    const auto x = c["in.cls.x"], labels = c["in.cls.labels"], permutation = c["in.mixup.perm"];
    const auto loss = ClassifierLoss(classifier(x), labels);
    EXPECT_TRUE(IsClose(loss, c["out.cls.loss"], kLoss));
    classifier.ExpectGradients(loss, c, "out.cls.grad.");
    const double lambda = c.scalar("in.mixup.lam");
    const auto mixed = Mixup(x, permutation, lambda);
    EXPECT_TRUE(IsClose(mixed, c["out.mixup.x"], {.of_max = 2e-6}));
    EXPECT_TRUE(IsClose(MixupClassifierLoss(classifier(mixed), labels, permutation, lambda),
                        c["out.mixup.loss"], kLoss));
    for (const auto& [form, expected] : c.Under("out.reward.")) {
      const double weight = form == "log" ? 0.5 : 1.0;  // as the file's hyper says
      EXPECT_TRUE(IsClose(Rank2RewardForm(form, ranking(x), classifier(x), weight), expected,
                          {.of_max = 2e-6}))
          << form;
    }
  }
}

}  // namespace
}  // namespace v2r
