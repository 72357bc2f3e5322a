// t-SNE against scikit-learn's exact one, and on what it must do with any points.
#include "learn/tsne.h"

#include <cmath>

#include "core/interrupt.h"
#include "core/torch_rng.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(TsneGolden, ProbabilitiesCostGradientAndDescent) {
  for (const GoldenCase& c : GoldenCases("23_tsne")) {
    SCOPED_TRACE(c.name);
    const auto& x = c.tensors.at("in.x");
    const auto p = TsneAffinities(x, c.hyper().at("perplexity"));
    // Both end a bisection within 1e-5 of the entropy, and theirs reads distances in float.
    EXPECT_TRUE(IsClose(p, c.tensors.at("out.p"), {.absolute = 2e-7}));
    const TsneCost cost = TsneKl(c.tensors.at("out.p"), c.tensors.at("in.y"));
    EXPECT_NEAR(cost.kl, c.scalar("out.kl"), 1e-9);
    EXPECT_TRUE(IsClose(cost.gradient, c.tensors.at("out.gradient"), {.absolute = 1e-10}));
    const TsneMap map = TsneDescend(p, c.tensors.at("in.start"), {});
    EXPECT_NEAR(map.kl, c.scalar("out.final_kl"), 0.02);
  }
}

struct Groups {
  torch::Tensor x, group;
};

// `groups` round clouds far apart.
Groups FarApart(int64_t groups, int64_t each) {
  Rng rng(6);
  Groups made;
  made.group = torch::arange(groups).repeat_interleave(each);
  made.x = RandomNormal(rng, {groups * each, 10}) +
           (20 * RandomNormal(rng, {groups, 10})).index_select(0, made.group);
  return made;
}

TEST(TsneTest, RowsHaveThePerplexityAndTheSumIsOne) {
  const torch::Tensor x = FarApart(3, 20).x;
  const auto p = TsneAffinities(x, 12);
  EXPECT_NEAR(p.sum().item<double>(), 1, 1e-9);
  EXPECT_TRUE(p.equal(p.t()));
  EXPECT_EQ(p.diagonal().abs().max().item<double>(), 0);
  // Six points all equally far apart have five neighbours each, which no width can change.
  const auto equal = TsneAffinities(torch::eye(6), 30);
  EXPECT_TRUE(IsClose(equal, (1 - torch::eye(6, torch::kDouble)) / 30, {.absolute = 1e-12}));
}

TEST(TsneTest, TheGradientIsThatOfTheCost) {
  Rng rng(2);
  const auto p = TsneAffinities(RandomNormal(rng, {12, 4}), 3);
  const torch::Tensor y = RandomNormal(rng, {12, 2}).to(torch::kDouble);
  const torch::Tensor gradient = TsneKl(p, y).gradient;
  for (const auto& [row, col] : {std::pair{0, 0}, {5, 1}, {11, 0}}) {
    const auto moved = [&](double by) {
      torch::Tensor z = y.clone();
      z[row][col] += by;
      return TsneKl(p, z).kl;
    };
    EXPECT_NEAR(gradient[row][col].item<double>(), (moved(1e-5) - moved(-1e-5)) / 2e-5, 1e-8);
  }
}

TEST(TsneTest, CloudsStayTogetherAndItIsTheSameAgainOnMoreThreads) {
  const Groups made = FarApart(4, 25);
  const torch::Tensor plane = made.x.slice(1, 0, 2);
  const torch::Tensor y = Tsne(made.x, plane, {});
  ASSERT_EQ(y.sizes(), (std::vector<int64_t>{100, 2}));
  const auto nearest =
      std::get<1>(torch::cdist(y, y).fill_diagonal_(1e9).topk(5, 1, /*largest=*/false));
  const auto same =
      made.group.index_select(0, nearest.flatten()).view({100, 5}).eq(made.group.unsqueeze(1));
  EXPECT_TRUE(same.all().item<bool>());
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  EXPECT_TRUE(Tsne(made.x, plane, {}).equal(y));
  at::set_num_threads(threads);
}

TEST(TsneTest, EveryKeyChangesSomething) {
  const Groups made = FarApart(2, 15);
  const auto map = [&](const std::string& yaml) {
    TsneOptions options;
    Bind(ParseYaml(yaml, "test"), options);
    return Tsne(made.x, made.x.slice(1, 0, 2), options);
  };
  const std::map<std::string, std::string> changes = {{"perplexity", "4"},
                                                      {"iterations", "400"},
                                                      {"early_exaggeration", "4"},
                                                      {"learning_rate", "20"}};
  const torch::Tensor base = map("{}");
  for (const auto& [key, value] : changes) EXPECT_FALSE(map(key + ": " + value).equal(base)) << key;
  for (const FieldDoc& row : Describe(TsneOptions{})) {
    EXPECT_TRUE(changes.contains(row.path)) << row.path;
  }
}

TEST(TsneTest, EqualPointsAndCtrlCAreNoTrouble) {
  torch::Tensor x = torch::zeros({9, 3});
  x.slice(0, 6).fill_(1);
  EXPECT_TRUE(Tsne(x, x.slice(1, 0, 2), {}).isfinite().all().item<bool>());
  EXPECT_TRUE(Tsne(torch::zeros({5, 3}), torch::zeros({5, 2}), {}).isfinite().all().item<bool>());
  RequestInterrupt(true);
  EXPECT_THROW(Tsne(x, x.slice(1, 0, 2), {}), Interrupted);
  RequestInterrupt(false);
}

}  // namespace
}  // namespace v2r
