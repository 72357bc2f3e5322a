// VIP, LIV, R3M, TCC and PROGRESSOR against the reference implementations' numbers.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "learn/losses.h"
#include "learn/progress.h"
#include "learn/tcc.h"
#include "learn/vip.h"
#include "tests/golden.h"

namespace v2r {
namespace {

constexpr Tolerance kLoss{.relative = 2e-6, .absolute = 1e-7};
constexpr Tolerance kGrad{.relative = 1e-5, .of_max = 2e-6};

torch::Tensor Leaf(const torch::Tensor& value) {
  return value.detach().clone().requires_grad_(true);
}

torch::Tensor GradOf(const torch::Tensor& loss, const torch::Tensor& leaf) {
  return torch::autograd::grad({loss}, {leaf}, {}, /*retain_graph=*/true)[0];
}

// Row i of all samples of embeddings [N,K,D].
torch::Tensor At(const torch::Tensor& embeddings, int64_t i) { return embeddings.select(1, i); }

TEST(VipGolden, NegativesAndLargeTdErrors) {
  int cases = 0;
  for (const GoldenCase& c : GoldenCases("17_vip")) {
    SCOPED_TRACE(c.name);
    const auto z = Leaf(c["in.embs"]);
    const torch::Tensor permutations = c.has("in.perms") ? c["in.perms"] : torch::Tensor();
    const VipSpec spec{.gamma = c.hyper().at("gamma")};
    const auto vip = VipLoss(At(z, 0), At(z, 2), At(z, 3), At(z, 1), permutations, spec);
    EXPECT_TRUE(IsClose(vip, c["out.stable.vip_loss"], kLoss));
    const auto l1 = MeanNorm(z, 1), l2 = MeanNorm(z, 2);
    EXPECT_TRUE(IsClose(l1, c["out.official.l1loss"], kLoss));
    EXPECT_TRUE(IsClose(l2, c["out.official.l2loss"], kLoss));
    const double w1 = c.hyper().at("l1weight"), w2 = c.hyper().at("l2weight");
    const auto loss = vip + w1 * l1 + w2 * l2;
    EXPECT_TRUE(IsClose(loss, c["out.stable.full_loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(loss, z), c["out.stable.grad_embs"], kGrad));
    if (c["out.official.full_loss"].isfinite().item<bool>()) {
      EXPECT_TRUE(IsClose(loss, c["out.official.full_loss"], kLoss));
      EXPECT_TRUE(IsClose(GradOf(loss, z), c["out.official.grad_embs"], kGrad));
    }
    ++cases;
  }
  EXPECT_GE(cases, 4);
}

TEST(LivGolden, VisualGoalTextGoalAndClip) {
  for (const GoldenCase& c : GoldenCases("17_liv")) {
    SCOPED_TRACE(c.name);
    const VipSpec spec{.gamma = c.hyper().at("gamma"), .similarity = "cosine", .rescale = true};
    for (const std::string& negatives : {std::string("0"), std::string("3")}) {
      SCOPED_TRACE(negatives + " negatives");
      const auto permutations = [&](const std::string& name) {
        return negatives == "0" ? torch::Tensor() : c["in." + name + "_neg3.perms"];
      };
      const auto z = Leaf(c["in.embs"]), text = Leaf(c["in.text"]);
      const auto visual =
          VipLoss(At(z, 0), At(z, 2), At(z, 3), At(z, 1), permutations("vip"), spec);
      EXPECT_TRUE(IsClose(visual, c["out.vip_neg" + negatives + ".loss"], kLoss));
      EXPECT_TRUE(IsClose(GradOf(visual, z), c["out.vip_neg" + negatives + ".grad_embs"],
                          {.of_max = 1e-5}));
      const auto language =
          VipLoss(At(z, 0), At(z, 2), At(z, 3), text, permutations("viplang"), spec);
      const std::string out = "out.viplang_neg" + negatives;
      EXPECT_TRUE(IsClose(language, c[out + ".loss"], kLoss));
      EXPECT_TRUE(IsClose(GradOf(language, z), c[out + ".grad_embs"], {.of_max = 1e-5}));
      EXPECT_TRUE(IsClose(GradOf(language, text), c[out + ".grad_text"], {.of_max = 1e-5}));
    }
    const auto far = Leaf(c["in.extreme.embs"]);
    const auto extreme = VipLoss(At(far, 0), At(far, 2), At(far, 3), At(far, 1), {}, spec);
    EXPECT_TRUE(IsClose(extreme, c["out.extreme.loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(extreme, far), c["out.extreme.grad_embs"], {.of_max = 1e-5}));
    const auto z = Leaf(c["in.embs"]), text = Leaf(c["in.text"]);
    const auto clip = ClipLoss(At(z, 4), text);
    EXPECT_TRUE(IsClose(clip, c["out.clip.loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(clip, z), c["out.clip.grad_embs"], {.of_max = 1e-5}));
    EXPECT_TRUE(IsClose(GradOf(clip, text), c["out.clip.grad_text"], {.of_max = 1e-5}));
  }
}

// R3M's language head on start, later frame and sentence: linear layers with ReLU between.
torch::Tensor LanguageScore(const GoldenCase& c, const torch::Tensor& start,
                            const torch::Tensor& later) {
  torch::Tensor x = torch::cat({start, later, c["in.lang_emb"]}, -1);
  for (int i = 0; i <= 8; i += 2) {
    const std::string layer = "param.lang_rew.pred." + std::to_string(i);
    x = torch::linear(x, c[layer + ".weight"], c[layer + ".bias"]);
    if (i < 8) x = torch::relu(x);
  }
  return x.squeeze(-1);
}

// The three contrasts of R3M's language term: the later frame against the earlier one and against
// the frames of other films.
torch::Tensor LanguageLoss(const GoldenCase& c, const torch::Tensor& z) {
  const auto perms = c["in.perms"];
  const auto start = At(z, 0);
  const int64_t later[] = {1, 3, 4}, earlier[] = {0, 2, 3};
  torch::Tensor sum = torch::zeros({z.size(0)}, z.options());
  for (int term = 0; term < 3; ++term) {
    std::vector<torch::Tensor> negatives = {LanguageScore(c, start, At(z, earlier[term]))};
    for (int k = 0; k < 3; ++k) {
      const auto rows = perms[3 * k + term];
      negatives.push_back(
          LanguageScore(c, start.index_select(0, rows), At(z, later[term]).index_select(0, rows)));
    }
    sum =
        sum + R3mContrast(LanguageScore(c, start, At(z, later[term])), torch::stack(negatives, -1));
  }
  return (sum / 3 * c["in.lang_mask"]).mean();
}

TEST(R3mGolden, TimeContrastNormsAndLanguage) {
  int with_language = 0;
  for (const GoldenCase& c : GoldenCases("16_r3m")) {
    SCOPED_TRACE(c.name);
    const auto z = Leaf(c["in.embs"]);
    const bool language = c.has("in.lang_emb");
    with_language += language;
    // In order of the calls: those of the language term first, then of s0 and s2 in turn.
    const auto perms = c["in.perms"].slice(0, language ? 9 : 0);
    const auto tcn =
        R3mTcn(At(z, 2), At(z, 3), At(z, 4), perms.slice(0, 0, 6, 2), perms.slice(0, 1, 6, 2));
    EXPECT_TRUE(IsClose(tcn, c["out.tcnloss"], kLoss));
    const auto l1 = MeanNorm(z, 1), l2 = MeanNorm(z, 2);
    EXPECT_TRUE(IsClose(l1, c["out.l1loss"], kLoss));
    EXPECT_TRUE(IsClose(l2, c["out.l2loss"], kLoss));
    const double w1 = c.hyper().at("l1weight"), w2 = c.hyper().at("l2weight");
    auto loss = tcn + w1 * l1 + w2 * l2;
    if (language) {
      const auto reward = LanguageLoss(c, z);
      EXPECT_TRUE(IsClose(reward, c["out.rewloss"], kLoss));
      loss = loss + reward;
    }
    EXPECT_TRUE(IsClose(loss, c["out.full_loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(loss, z), c["out.grad_embs"], {.of_max = 1e-5}));
  }
  EXPECT_EQ(with_language, 1);
}

TccSpec SpecOf(const GoldenCase& c, const std::string& loss_type, const std::string& variant) {
  TccSpec spec{.loss_type = loss_type, .temperature = 1};
  if (variant.ends_with("t0.1")) spec.temperature = 0.1;
  if (variant.starts_with("cos")) spec.similarity = "cosine";
  spec.divide_by_dim = variant != "t1_normemb";
  spec.normalize_indices = variant != "t1_rawidx";
  spec.label_smoothing = c.hyper().at("label_smoothing");
  spec.variance_lambda = c.hyper().at("variance_lambda");
  spec.huber_delta = c.hyper().at("huber_delta");
  return spec;
}

const char* const kTccLosses[] = {"regression_mse", "regression_mse_var", "regression_huber",
                                  "classification"};

TEST(TccGolden, AllPairsOfClips) {
  for (const GoldenCase& c : GoldenCases("15_xirl_tcc")) {
    for (const std::string loss_type : kTccLosses) {
      for (const std::string variant : {"t1", "t1_normemb", "t1_rawidx", "t0.1", "cos_t0.1"}) {
        SCOPED_TRACE(c.name + " " + loss_type + " " + variant);
        auto embeddings = c["in.embs"];
        if (variant == "t1_normemb") embeddings = embeddings / embeddings.norm(2, {-1}, true);
        const auto z = Leaf(embeddings);
        const auto loss =
            TccLoss(z, c["in.frame_idxs"], c["in.video_len"], SpecOf(c, loss_type, variant));
        const std::string out = "out.det." + loss_type + "." + variant;
        EXPECT_TRUE(IsClose(loss, c[out + ".loss"], {.relative = 1e-5}));
        EXPECT_TRUE(IsClose(GradOf(loss, z), c[out + ".grad"], {.of_max = 1e-5}));
      }
    }
  }
}

TEST(TccGolden, RandomCycles) {
  for (const GoldenCase& c : GoldenCases("15_xirl_tcc")) {
    for (const std::string loss_type : kTccLosses) {
      for (const std::string length : {"2", "3"}) {
        const std::string name = "sto" + length + "." + loss_type;
        SCOPED_TRACE(c.name + " " + name);
        const auto z = Leaf(c["in.embs"]);
        const auto loss =
            TccStochasticLoss(z, c["in.frame_idxs"], c["in.video_len"], c["in." + name + ".cycles"],
                              c["in." + name + ".query_idx"], SpecOf(c, loss_type, "t1"));
        EXPECT_TRUE(IsClose(loss, c["out." + name + ".loss"], {.relative = 1e-5}));
        EXPECT_TRUE(IsClose(GradOf(loss, z), c["out." + name + ".grad"], {.of_max = 1e-5}));
      }
    }
  }
}

TEST(TccGolden, LongClipsHaveExactDistances) {
  for (const GoldenCase& c : GoldenCases("15_xirl_tcc")) {
    const auto loss = TccLoss(c["in.long.embs"], c["in.long.frame_idxs"], c["in.long.video_len"],
                              SpecOf(c, "regression_mse", "t0.1"));
    EXPECT_TRUE(IsClose(loss, c["out.long.regression_mse_t0.1_exact_cdist"], {.relative = 1e-5}));
    EXPECT_TRUE(IsClose(loss, c["out.long.regression_mse_t0.1"], {.relative = 1e-3}));
  }
}

// One block of the released head: Linear, ReLU, BatchNorm in training mode, Linear, plus a linear
// skip.
torch::Tensor ResidualBlock(const std::map<std::string, torch::Tensor>& p, const std::string& name,
                            const torch::Tensor& x) {
  const auto linear = [&](const std::string& layer, const torch::Tensor& input) {
    return torch::linear(input, p.at(name + layer + ".weight"), p.at(name + layer + ".bias"));
  };
  const auto h = torch::batch_norm(torch::relu(linear("fc1", x)), p.at(name + "norm.weight"),
                                   p.at(name + "norm.bias"), {}, {}, /*training=*/true, 0.1, 1e-5,
                                   /*cudnn_enabled=*/false);
  return linear("fc2", h) + linear("skip", x);
}

TEST(ProgressGolden, DivergenceAndGradients) {
  for (const GoldenCase& c : GoldenCases("18_video2reward")) {
    SCOPED_TRACE(c.name);
    std::map<std::string, torch::Tensor> p;
    for (const auto& [name, value] : c.Under("param.")) {
      p[name] = value.is_floating_point() ? Leaf(value) : value;
    }
    const auto features = Leaf(c["in.features"]);
    const auto x = ResidualBlock(p, "proj.1.", ResidualBlock(p, "proj.0.", features));
    const auto mu = torch::linear(x, p.at("fc_mu.weight"), p.at("fc_mu.bias")).squeeze(1);
    const auto log_var =
        torch::linear(x, p.at("fc_log_var.weight"), p.at("fc_log_var.bias")).squeeze(1);
    EXPECT_TRUE(IsClose(mu.unsqueeze(1), c["out.mu"], {.of_max = 2e-6}));
    const auto loss = ProgressLoss(mu, log_var, c["in.label"], c["in.delta"]);
    EXPECT_TRUE(IsClose(loss.unsqueeze(1), c["out.kl_per_item"], {.of_max = 2e-6}));
    EXPECT_TRUE(IsClose(loss.sum(), c["out.kl_sum_loss"], kLoss));
    EXPECT_TRUE(IsClose(GradOf(loss.sum(), features), c["out.grad_features"], {.of_max = 1e-5}));
    for (const auto& [name, expected] : c.Under("out.grad.")) {
      SCOPED_TRACE(name);
      EXPECT_TRUE(
          IsClose(GradOf(loss.sum(), p.at(name)), expected, {.absolute = 1e-5, .of_max = 1e-5}));
    }
  }
}

}  // namespace
}  // namespace v2r
