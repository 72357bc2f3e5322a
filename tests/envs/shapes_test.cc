// The drawn set of shapes: the same bits for the same seed, classes that differ, nothing hidden.
#include "envs/shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

namespace v2r {
namespace {

constexpr int kSize = 32;
constexpr size_t kBytes = kSize * kSize * 3;

std::vector<uint8_t> Drawn(int threads, uint64_t seed, int64_t first, int64_t count) {
  std::vector<uint8_t> out(count * kBytes);
  ShapeRenderer(kSize, threads, seed).Draw(first, count, out.data());
  return out;
}

TEST(Shapes, APictureDependsOnSeedAndNumberAlone) {
  const auto all = Drawn(1, 1, 0, 70);  // more than are drawn together
  EXPECT_EQ(Drawn(2, 1, 0, 70), all);
  const std::vector<uint8_t> some(all.begin() + 37 * kBytes, all.begin() + 48 * kBytes);
  EXPECT_EQ(Drawn(1, 1, 37, 11), some);
  EXPECT_NE(Drawn(1, 2, 37, 11), some);
  std::set<std::vector<uint8_t>> different;
  for (size_t i = 0; i < 70; ++i) {
    different.insert({all.begin() + i * kBytes, all.begin() + (i + 1) * kBytes});
  }
  EXPECT_EQ(different.size(), 70u);
}

TEST(Shapes, ClassesTakeTurns) {
  EXPECT_EQ(ShapeNames().size(), 10u);
  const ShapeRenderer one(kSize, 1, 1), three(kSize, 1, 1, 3);
  for (int64_t i = 0; i < 60; ++i) {
    EXPECT_EQ(one.ClassOf(i), i % 10);
    EXPECT_EQ(three.ThingOf(i), i / 3);
    EXPECT_EQ(three.ClassOf(i), i / 3 % 10);
  }
}

// The views of one thing differ and are painted alike: the hues in the middle of the pictures lie
// closer together than those of different things.
TEST(Shapes, ViewsOfOneThingShareItsColour) {
  constexpr int64_t kViews = 4, kThings = 40;
  std::vector<uint8_t> all(kViews * kThings * kBytes);
  ShapeRenderer(kSize, 2, 1, kViews).Draw(0, kViews * kThings, all.data());
  const auto hue = [&](int64_t picture) {
    std::array<double, 3> sum = {1, 1, 1};
    for (int pixel = 0; pixel < kSize * kSize; ++pixel) {
      if (std::max(std::abs(pixel / kSize - kSize / 2), std::abs(pixel % kSize - kSize / 2)) > 3) {
        continue;
      }
      for (int c = 0; c < 3; ++c) sum[c] += all[picture * kBytes + pixel * 3 + c];
    }
    const double length = std::hypot(sum[0], sum[1], sum[2]);
    for (double& c : sum) c /= length;
    return sum;
  };
  double same = 0, other = 0;
  for (int64_t i = 0; i + kViews < kViews * kThings; i += kViews) {
    EXPECT_FALSE(std::equal(all.begin() + i * kBytes, all.begin() + (i + 1) * kBytes,
                            all.begin() + (i + 1) * kBytes));
    const auto a = hue(i), b = hue(i + 1), c = hue(i + kViews);
    same += std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    other += std::hypot(a[0] - c[0], a[1] - c[1], a[2] - c[2]);
  }
  EXPECT_LT(same, 0.8 * other);
}

// Every picture has an outline in it and is no noise; the classes differ in how long it is.
TEST(Shapes, EveryClassShowsSomethingOfItsOwn) {
  constexpr int64_t kEach = 30;
  const auto all = Drawn(2, 1, 0, 10 * kEach);
  std::vector<double> edges(10, 0);  // mean number of steep places
  int flat = 0;                      // pictures with next to none: dark ones
  for (int64_t i = 0; i < 10 * kEach; ++i) {
    const uint8_t* p = all.data() + i * kBytes;
    int steep = 0;
    for (int y = 1; y < kSize; ++y) {
      for (int x = 1; x < kSize; ++x) {
        const uint8_t* here = p + (y * kSize + x) * 3;
        const auto step = [&](const uint8_t* other) {
          return std::abs(here[0] - other[0]) + std::abs(here[1] - other[1]) +
                 std::abs(here[2] - other[2]);
        };
        steep += step(here - 3) > 40 || step(here - 3 * kSize) > 40;
      }
    }
    flat += steep <= 10;
    EXPECT_LT(steep, kSize * kSize / 2) << "picture " << i << " is noise";
    edges[i % 10] += static_cast<double>(steep) / kEach;
  }
  EXPECT_LE(flat, 6) << "of " << 10 * kEach;
  const std::set<double> different(edges.begin(), edges.end());
  EXPECT_EQ(different.size(), 10u);
  EXPECT_GT(edges[8], 1.2 * edges[1]) << "a cross has a longer outline than a sphere";
}

}  // namespace
}  // namespace v2r
