#include "core/rng.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tests/core/helpers.h"

namespace v2r {
namespace {

std::vector<uint32_t> Draw(Rng& rng, int n) {
  std::vector<uint32_t> values;
  for (int i = 0; i < n; ++i) values.push_back(rng.NextU32());
  return values;
}

// Known answer of Random123's kat_vectors: philox4x32-10 of counter 0 and key 0.
TEST(RngTest, FirstBlockIsPhiloxKnownAnswer) {
  Rng rng(0);
  EXPECT_EQ(Draw(rng, 4), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

// Philox4x32-10 written out from the paper (Salmon et al. 2011): multipliers, Weyl constants, ten
// rounds.
std::vector<uint32_t> PhiloxByHand(uint64_t key, uint64_t counter) {
  uint32_t c[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t k[2] = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
        static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return {c[0], c[1], c[2], c[3]};
}

TEST(RngTest, StreamIsPhiloxOfKeyAndBlockNumber) {
  constexpr uint64_t kKey = 0xa4093822299f31d0ull;
  Rng rng(kKey);
  for (uint64_t block = 0; block < 5; ++block) EXPECT_EQ(Draw(rng, 4), PhiloxByHand(kKey, block));
}

TEST(RngTest, ForksDependOnNameIndexAndSeedAlone) {
  Rng parent(7);
  Rng early = parent.Fork("env", 3);
  const auto parent_next = Rng(7).NextU32();
  EXPECT_EQ(parent.NextU32(), parent_next) << "forking advanced the parent";
  Rng late = parent.Fork("env", 3);
  EXPECT_EQ(Draw(early, 16), Draw(late, 16));

  std::set<uint64_t> first;
  for (uint64_t seed : {7, 8}) {
    first.insert(Rng(seed).NextU64());
    for (const char* name : {"env", "episode", "agent"}) {
      for (uint64_t i = 0; i < 50; ++i) {
        Rng fork = Rng(seed).Fork(name, i);
        first.insert(fork.NextU64());
        first.insert(fork.Fork(name, i).NextU64());
      }
    }
  }
  EXPECT_EQ(first.size(), 2u * (1 + 3 * 50 * 2));
}

TEST(RngTest, ForksAreUncorrelated) {
  Rng a = Rng(1).Fork("x", 0), b = Rng(1).Fork("x", 1);
  constexpr int kN = 20000;
  double sum = 0;
  for (int i = 0; i < kN; ++i) sum += a.Normal() * b.Normal();
  EXPECT_LT(std::fabs(sum / kN), 4.0 / std::sqrt(kN));
}

TEST(RngTest, SaveAndLoadContinueAtEveryPosition) {
  for (int drawn = 0; drawn < 9; ++drawn) {
    Rng rng(42);
    Draw(rng, drawn);
    Rng other(1);
    other.Load(rng.Save());
    EXPECT_EQ(Draw(other, 11), Draw(rng, 11)) << "after " << drawn;
  }
}

TEST(RngTest, DamagedStateIsRefused) {
  Rng rng(1);
  EXPECT_THAT(UserErrorOf([&] { rng.Load({1, 2, 5}); }), testing::HasSubstr("position 5"));
  EXPECT_THROW(rng.Load({1, 0, 2}), UserError);
}

TEST(RngTest, UniformHasTheRightMomentsAndRange) {
  Rng rng(3);
  constexpr int kN = 50000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kN; ++i) {
    const double x = rng.Uniform();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
    sum += x;
    squares += x * x;
    const double y = rng.Uniform(-2.0, 3.0);
    ASSERT_GE(y, -2.0);
    ASSERT_LT(y, 3.0);
  }
  EXPECT_NEAR(sum / kN, 0.5, 0.006);
  EXPECT_NEAR(squares / kN, 1.0 / 3.0, 0.006);
}

TEST(RngTest, UniformStaysBelowItsUpperEndInTightIntervals) {
  Rng rng(5);
  const double high = std::nextafter(1.0, 2.0);
  for (int i = 0; i < 100; ++i) EXPECT_LT(rng.Uniform(1.0, high), high);
  EXPECT_EQ(rng.Uniform(2.0, 2.0), 2.0);
}

TEST(RngTest, NormalHasTheRightMoments) {
  Rng rng(4);
  constexpr int kN = 50000;
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < kN; ++i) {
    const double x = rng.Normal();
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
  }
  EXPECT_NEAR(sum / kN, 0.0, 0.02);
  EXPECT_NEAR(squares / kN, 1.0, 0.03);
  EXPECT_NEAR(fourths / kN, 3.0, 0.2);
}

TEST(RngTest, BelowIsUniformOverItsRange) {
  Rng rng(6);
  constexpr int kN = 70000;
  std::vector<int> counts(7);
  for (int i = 0; i < kN; ++i) ++counts[rng.Below(7)];
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - kN / 7.0, 2) / (kN / 7.0);
  EXPECT_LT(chi_square, 22.5);  // 99.9 % of 6 degrees of freedom
  EXPECT_EQ(rng.Below(1), 0u);
  constexpr uint64_t kHuge = 0xC000000000000000ull;
  bool upper = false;
  for (int i = 0; i < 200; ++i) {
    const uint64_t x = rng.Below(kHuge);
    ASSERT_LT(x, kHuge);
    upper |= x > kHuge / 2;
  }
  EXPECT_TRUE(upper);
  EXPECT_THROW(rng.Below(0), Error);
}

TEST(RngTest, BernoulliFollowsItsProbability) {
  Rng rng(8);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) hits += rng.Bernoulli(0.3);
  EXPECT_NEAR(hits / 10000.0, 0.3, 0.02);
  EXPECT_FALSE(rng.Bernoulli(0.0));
  EXPECT_TRUE(rng.Bernoulli(1.0));
}

TEST(RngTest, PermutationsHoldEveryIndexOnce) {
  Rng rng(9);
  auto order = rng.Permutation(100);
  std::vector<int64_t> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_NE(order, expected);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, expected);
  EXPECT_TRUE(rng.Permutation(0).empty());
  // All 6 orders of three turn up about equally often.
  std::map<std::vector<int64_t>, int> counts;
  for (int i = 0; i < 6000; ++i) ++counts[rng.Permutation(3)];
  ASSERT_EQ(counts.size(), 6u);
  for (const auto& [key, count] : counts) EXPECT_NEAR(count, 1000, 130);
}

}  // namespace
}  // namespace v2r
