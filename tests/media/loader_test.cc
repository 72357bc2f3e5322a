#include "media/loader.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "core/error.h"

namespace v2r {
namespace {

std::vector<uint64_t> Take(Loader<uint64_t>& loader, int count) {
  std::vector<uint64_t> values;
  for (int i = 0; i < count; ++i) values.push_back(loader.Next());
  return values;
}

TEST(Loader, BatchesAreThoseOfTheForksInOrderHoweverSlow) {
  const Rng rng(11);
  std::vector<uint64_t> expected;
  for (uint64_t k = 0; k < 20; ++k) {
    Rng fork = rng.Fork("batch", k);
    expected.push_back(fork.NextU64());
  }
  using enum LoaderMode;
  for (const auto& [ahead, threads, mode] :
       {std::tuple{1, 1, kAhead}, {2, 1, kAhead}, {8, 1, kAhead}, {2, 3, kAhead}, {8, 4, kAhead},
        {1, 1, kBursts}, {2, 2, kBursts}, {3, 2, kBursts}, {2, 5, kBursts}}) {
    std::atomic<int> made{0};
    Loader<uint64_t> loader(
        [&](Rng& r) {
          if (made.fetch_add(1) % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
          return r.NextU64();
        },
        rng, 0, ahead, threads, mode);
    EXPECT_EQ(Take(loader, 20), expected) << ahead << " ahead, threads " << threads;
    EXPECT_EQ(loader.position(), 20);
  }
}

TEST(Loader, GoesOnAtAnyBatch) {
  const Rng rng(12);
  const auto make = [](Rng& r) { return r.NextU64(); };
  Loader<uint64_t> whole(make, rng);
  const auto all = Take(whole, 12);
  Loader<uint64_t> rest(make, rng, 7);
  EXPECT_EQ(rest.position(), 7);
  EXPECT_EQ(Take(rest, 5), std::vector<uint64_t>(all.begin() + 7, all.end()));
}

TEST(Loader, TheQueueIsBounded) {
  std::atomic<int> made{0};
  Loader<int> loader([&](Rng&) { return made.fetch_add(1); }, Rng(1), 0, 3);
  for (int wait = 0; wait < 2000 && made < 3; ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(made, 3);
  loader.Next();
  for (int wait = 0; wait < 2000 && made < 4; ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(made, 4);
}

TEST(Loader, BurstsLeaveTheCoresAloneBetweenCalls) {
  std::atomic<int> making{0}, made{0};
  Loader<int> loader(
      [&](Rng&) {
        ++making;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --making;
        return made.fetch_add(1);
      },
      Rng(1), 0, 3, 2, LoaderMode::kBursts);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(made, 0);
  for (int k = 0; k < 9; ++k) {
    loader.Next();
    EXPECT_EQ(making, 0) << k;
    EXPECT_EQ(made, (k / 3 + 1) * 3) << k;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(made, (k / 3 + 1) * 3) << k;
  }
}

TEST(Loader, AnExceptionComesOutWhereItsBatchIsAskedFor) {
  int made = 0;
  Loader<int> loader(
      [&](Rng&) {
        if (made == 3) throw UserError("clip 3 is gone");
        return made++;
      },
      Rng(1), 0, 8);
  for (int k = 0; k < 3; ++k) EXPECT_EQ(loader.Next(), k);
  for (int again = 0; again < 2; ++again) {
    try {
      loader.Next();
      FAIL() << "no exception";
    } catch (const UserError& e) {
      EXPECT_STREQ(e.what(), "clip 3 is gone");
    }
  }
  EXPECT_EQ(loader.position(), 3);
}

TEST(Loader, BatchesBeforeTheFailedOneStillComeWithManyThreads) {
  const Rng rng(5);
  Rng third = rng.Fork("batch", 3);
  const uint64_t bad = third.NextU64();
  for (int repeat = 0; repeat < 40; ++repeat) {
    Loader<uint64_t> loader(
        [bad](Rng& r) {
          const uint64_t value = r.NextU64();
          if (value == bad) throw UserError("batch 3");
          std::this_thread::sleep_for(std::chrono::microseconds(value % 500));
          return value;
        },
        rng, 0, 6, 4, repeat % 2 == 0 ? LoaderMode::kAhead : LoaderMode::kBursts);
    EXPECT_NO_THROW(Take(loader, 3));
    for (int again = 0; again < 2; ++again) EXPECT_THROW(loader.Next(), UserError);
  }
}

TEST(Loader, EndsWhileTheQueueIsFull) {
  for (int i = 0; i < 20; ++i) Loader<int>([](Rng&) { return 1; }, Rng(1), 0, 2, 2);
}

TEST(Loader, RunsOnAnotherThreadWithoutAutograd) {
  const auto here = std::this_thread::get_id();
  Loader<bool> loader(
      [here](Rng&) { return std::this_thread::get_id() != here && !torch::GradMode::is_enabled(); },
      Rng(1));
  EXPECT_TRUE(loader.Next());
}

}  // namespace
}  // namespace v2r
