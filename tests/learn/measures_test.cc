// Measures of rewards and representations.

#include "learn/measures.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <set>
#include <vector>

#include "core/rng.h"
#include "core/torch_rng.h"
#include "learn/alignment.h"
#include "learn/knn.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(XirlMetricsGolden, TauAndCycleConsistency) {
  for (const GoldenCase& c : GoldenCases("20_xirl_metrics")) {
    int64_t count = 0;
    for (const auto& [name, expected] : c.Under("out.")) {
      // SET.sSTRIDE.DISTANCE.METRIC
      const auto at = name.find(".s");
      if (at == std::string::npos) continue;
      SCOPED_TRACE(c.name + " " + name);
      const std::string set = name.substr(0, at);
      const int64_t stride = std::stoll(name.substr(at + 2));
      const auto from = name.find('.', at + 2) + 1, to = name.rfind('.');
      const std::string distance = name.substr(from, to - from), metric = name.substr(to + 1);
      std::vector<torch::Tensor> videos;
      for (const auto& [key, video] : c.Under("in." + set + ".emb")) videos.push_back(video);
      ASSERT_GE(videos.size(), 2u);
      double value = 0;
      if (metric == "tau") {
        value = AlignmentTau(videos, stride, distance);
      } else if (metric == "two_way") {
        value = TwoWayCycleConsistency(videos, stride, distance, c.hyper().at("tol_frames"), true);
      } else {
        ASSERT_EQ(metric, "three_way");
        value =
            ThreeWayCycleConsistency(videos, stride, distance, c.hyper().at("tol_frames"), true);
      }
      EXPECT_TRUE(
          IsClose(value, expected.cpu().item<double>(), {.relative = 1e-12, .absolute = 1e-12}));
      ++count;
    }
    EXPECT_GT(count, 0);
  }
}

TEST(XirlMetricsGolden, KendallTauWithTiesAndNan) {
  for (const GoldenCase& c : GoldenCases("20_xirl_metrics")) {
    SCOPED_TRACE(c.name);
    const auto sequences = c["in.tau_b.nns"].cpu().to(torch::kDouble).contiguous();
    const auto time = torch::arange(sequences.size(1), torch::kDouble);
    const auto n = static_cast<size_t>(sequences.size(1));
    std::vector<double> taus;
    for (int64_t i = 0; i < sequences.size(0); ++i) {
      taus.push_back(KendallTau({time.const_data_ptr<double>(), n},
                                {sequences.const_data_ptr<double>() + i * sequences.size(1), n}));
    }
    EXPECT_TRUE(IsClose(torch::tensor(taus, torch::kDouble), c["out.tau_b"], {.absolute = 1e-12}));
  }
}

TEST(KnnGolden, ScoresAndClasses) {
  for (const GoldenCase& c : GoldenCases("19_knn")) {
    const int64_t classes = c.hyper().at("C");
    const auto check = [&](const std::string& out, const torch::Tensor& train,
                           const torch::Tensor& labels, int64_t k, double temperature) {
      SCOPED_TRACE(c.name + " " + out);
      const auto result = KnnClassify(train, labels, c["in.test"], k, temperature, classes);
      const auto sorted = std::get<0>(result.scores.sort(1, true));
      // Scores further apart than rounding decide the order; the others may stand either way.
      const auto clear = (sorted.slice(1, 0, classes - 1) - sorted.slice(1, 1)) > 1e-4;
      if (c.has(out + ".scores"))
        EXPECT_TRUE(IsClose(result.scores, c[out + ".scores"], {.relative = 1e-5}));
      if (c.has(out + ".pred")) {
        const auto same = result.order.slice(1, 0, 1).flatten().eq(c[out + ".pred"]);
        EXPECT_TRUE(same.logical_or(clear.select(1, 0).logical_not()).all().item<bool>());
      }
      if (c.has(out + ".pred_order")) {
        const auto all_clear = clear.all(1);
        const auto same = result.order.eq(c[out + ".pred_order"]).all(1);
        EXPECT_TRUE(same.logical_or(all_clear.logical_not()).all().item<bool>());
        EXPECT_TRUE(result.order.select(1, 0)
                        .eq(c[out + ".pred_order"].select(1, 0))
                        .logical_or(clear.select(1, 0).logical_not())
                        .all()
                        .item<bool>());
      }
      if (c.has(out + ".top1_top5") && clear.all().item<bool>()) {
        const auto top = torch::tensor({TopAccuracy(result, c["in.test_labels"], 1),
                                        TopAccuracy(result, c["in.test_labels"], 5)},
                                       torch::kDouble);
        EXPECT_TRUE(IsClose(top, c[out + ".top1_top5"], {.absolute = 1e-6}));
      }
    };
    for (const int64_t k : c.hyper().at("k").get<std::vector<int64_t>>()) {
      check("out.dino.k" + std::to_string(k), c["in.train"], c["in.train_labels"], k, 0.07);
      check("out.moco.k" + std::to_string(k), c["in.train"], c["in.train_labels"], k, 0.1);
    }
    const auto rows = c["in.ties.train"].size(0);
    check("out.ties.dino.k" + std::to_string(rows), c["in.ties.train"], c["in.ties.train_labels"],
          rows, 0.07);
  }
}

TEST(Correlations, KnownValues) {
  const std::vector<double> x = {1, 2, 3, 4, 5}, y = {1, 8, 27, 64, 125}, down = {5, 4, 3, 2, 1};
  EXPECT_DOUBLE_EQ(Spearman(x, y), 1);
  EXPECT_DOUBLE_EQ(Spearman(x, down), -1);
  EXPECT_NEAR(Pearson(x, y), 0.9431175138077005, 1e-12);  // numpy.corrcoef
  const std::vector<double> tied = {1, 2, 2, 3}, other = {1, 3, 2, 4};
  EXPECT_NEAR(Spearman(tied, other), 0.9486832980505138, 1e-12);  // scipy.stats.spearmanr
  EXPECT_NEAR(KendallTau(tied, other), 0.9128709291752769, 1e-12);
  EXPECT_EQ(Ranks(tied), (std::vector<double>{1, 2.5, 2.5, 4}));
  EXPECT_TRUE(std::isnan(Spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
  EXPECT_TRUE(std::isnan(Spearman(std::vector<double>{1, NAN, 2}, std::vector<double>{1, 2, 3})));
  EXPECT_TRUE(std::isnan(Pearson(std::vector<double>{1}, std::vector<double>{1})));
}

TEST(Voc, RisesFallsAndMixes) {
  EXPECT_DOUBLE_EQ(Voc(std::vector<double>{-3, -2, -0.5, 0}), 1);
  EXPECT_DOUBLE_EQ(Voc(std::vector<double>{3, 2, 1}), -1);
  EXPECT_NEAR(Voc(std::vector<double>{1, 3, 2, 4}), 0.8, 1e-12);
}

TEST(Auroc, CountsPairs) {
  const std::vector<double> high = {3, 2, 5}, low = {1, 2, 0};
  EXPECT_NEAR(Auroc(high, low), 8.5 / 9, 1e-12);
  EXPECT_NEAR(Auroc(low, high), 0.5 / 9, 1e-12);
  EXPECT_DOUBLE_EQ(Auroc(high, high), 0.5);
  EXPECT_TRUE(std::isnan(Auroc(high, {})));
}

TEST(EffectiveDimensions, LineRoundAndCollapsed) {
  Rng rng(1);
  const auto noise = RandomNormal(rng, {4000, 8});
  EXPECT_NEAR(EffectiveDimensions(noise), 8, 0.05);
  EXPECT_NEAR(EffectiveDimensions(noise + 100), 8,
              0.05);  // a shared mean is not a direction of spread
  const auto line = noise.select(1, 0).unsqueeze(1) * torch::ones({1, 8});
  EXPECT_NEAR(EffectiveDimensions(line), 1, 1e-4);
  EXPECT_EQ(EffectiveDimensions(torch::ones({5, 3})), 0);
}

TEST(NormalizedStd, SpreadAndCollapsed) {
  Rng rng(2);
  EXPECT_NEAR(NormalizedStd(RandomNormal(rng, {4000, 16})), 0.25, 0.01);
  EXPECT_NEAR(NormalizedStd(torch::ones({10, 16})), 0, 1e-9);
  EXPECT_LT(NormalizedStd(RandomNormal(rng, {100, 16}) + 100), 0.01);
}

TEST(Alignment, UnitsAgreeAtEveryStride) {
  std::vector<torch::Tensor> videos;
  for (const int64_t length : {30, 41, 27})
    videos.push_back(torch::linspace(0, 1, length).unsqueeze(1) * torch::ones({1, 3}));
  for (const int64_t stride : {1, 3}) {
    EXPECT_NEAR(AlignmentTau(videos, stride, "sqeuclidean"), 1, 0.02);
    EXPECT_DOUBLE_EQ(TwoWayCycleConsistency(videos, stride, "sqeuclidean"), 1);
    EXPECT_DOUBLE_EQ(ThreeWayCycleConsistency(videos, stride, "sqeuclidean"), 1);
  }
  EXPECT_LT(TwoWayCycleConsistency(videos, 3, "sqeuclidean", 1, /*as_released=*/true), 0.5);
  EXPECT_THROW(AlignmentTau(videos, 1, "l1"), UserError);
}

}  // namespace
}  // namespace v2r
