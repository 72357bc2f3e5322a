#include "media/sequence_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ClipSet ClipsOf(const std::vector<int64_t>& lengths) {
  ClipSet set;
  for (size_t c = 0; c < lengths.size(); ++c) {
    set.clips.push_back({"clip" + std::to_string(c), "good",
                         torch::zeros({lengths[c], 4, 4, 3}, torch::kUInt8), 25});
  }
  return set;
}

TEST(SequenceSampler, ShortClipsAreLeftOutOrRefused) {
  const ClipSet set = ClipsOf({5, 12, 9});
  const SequenceSampler sampler(set, 9, "this");
  Rng rng(1);
  std::set<int64_t> clips;
  for (const FrameIndex& frame : sampler.Clips(rng, 20, 9)) clips.insert(frame.clip);
  EXPECT_EQ(clips, (std::set<int64_t>{1, 2}));
  EXPECT_EQ(sampler.LengthOf(1), 12);
  EXPECT_THAT(UserErrorOf([&] { SequenceSampler(set, 10, "that", 2); }),
              AllOf(HasSubstr("that"), HasSubstr("2 or more clips of 10 frames"),
                    HasSubstr("1 of 3"), HasSubstr("longest has 12")));
}

TEST(SequenceSampler, ClipsAreDifferentWhileThereAreSomeAndFramesInOrder) {
  const ClipSet set = ClipsOf({8, 12, 9, 20});
  const SequenceSampler sampler(set, 6, "this");
  Rng rng(2);
  std::set<std::pair<int64_t, int64_t>> seen;
  for (int round = 0; round < 200; ++round) {
    const auto frames = sampler.Clips(rng, 7, 6);
    ASSERT_EQ(frames.size(), 42u);
    std::set<int64_t> first, second;
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_LT(frames[i].frame, sampler.LengthOf(frames[i].clip));
      seen.insert({frames[i].clip, frames[i].frame});
      (i < 24 ? first : second).insert(frames[i].clip);
      if (i % 6 == 0) continue;
      EXPECT_EQ(frames[i].clip, frames[i - 1].clip);
      EXPECT_GT(frames[i].frame, frames[i - 1].frame);
    }
    EXPECT_EQ(first.size(), 4u);
    EXPECT_EQ(second.size(), 3u);
  }
  EXPECT_EQ(seen.size(), 8u + 12 + 9 + 20);
}

TEST(SequenceSampler, AlignedFramesLieAtEqualShares) {
  const ClipSet set = ClipsOf({10, 20, 40});
  const SequenceSampler sampler(set, 5, "this");
  Rng rng(3);
  std::set<int64_t> starts;
  for (int round = 0; round < 100; ++round) {
    const auto frames = sampler.Aligned(rng, 3, 5);
    for (size_t j = 0; j < 5; ++j) {
      double low = 0, high = 1;  // the shares that each frame allows
      for (size_t i = 0; i < 3; ++i) {
        const FrameIndex frame = frames[5 * i + j];
        const auto length = static_cast<double>(sampler.LengthOf(frame.clip));
        low = std::max(low, static_cast<double>(frame.frame) / length);
        high = std::min(high, static_cast<double>(frame.frame + 1) / length);
      }
      EXPECT_LT(low, high);
      EXPECT_GE(high, 0.2 * static_cast<double>(j));
      EXPECT_LE(low, 0.2 * static_cast<double>(j + 1));
    }
    for (size_t i = 0; i < 15; i += 5) {
      if (frames[i].clip == 2) starts.insert(frames[i].frame);
    }
  }
  EXPECT_EQ(*starts.begin(), 0);
  EXPECT_EQ(*starts.rbegin(), 7);
}

TEST(SequenceSampler, OrderedFramesReachTheirRangesAndNoMore) {
  const ClipSet set = ClipsOf({10, 3});
  const SequenceSampler sampler(set, 3, "this");
  Rng rng(4);
  int64_t start = 0, end = 9, least2 = 9;
  bool equal = false, last = false, short_clip = false;
  for (const OrderedFrames& f : sampler.Ordered(rng, 5000, 0.2)) {
    EXPECT_LT(f.s0.frame, f.s1.frame);
    EXPECT_LE(f.s1.frame, f.s2.frame);
    for (const FrameIndex& frame : {f.end, f.s0, f.s1, f.s2}) EXPECT_EQ(frame.clip, f.start.clip);
    EXPECT_LT(f.s1.frame, sampler.LengthOf(f.s1.clip) - 1);
    equal |= f.s1 == f.s2;
    short_clip |= f.start.clip == 1;
    if (f.start.clip == 1) continue;
    start = std::max(start, f.start.frame);
    end = std::min(end, f.end.frame);
    least2 = std::min(least2, f.s2.frame);
    last |= f.s2.frame == 9;
  }
  EXPECT_EQ(start, 2);
  EXPECT_EQ(end, 7);
  EXPECT_EQ(least2, 1);
  EXPECT_TRUE(equal && last && short_clip);
}

TEST(SequenceSampler, StretchesHoldTheirPresent) {
  const ClipSet set = ClipsOf({7, 2});
  const SequenceSampler sampler(set, 2, "this");
  Rng rng(5);
  std::set<std::pair<int64_t, int64_t>> ends;
  bool at_start = false, at_goal = false;
  for (const Stretch& s : sampler.Stretches(rng, 5000, false)) {
    EXPECT_LT(s.start.frame, s.goal.frame);
    EXPECT_LE(s.start.frame, s.now.frame);
    EXPECT_LE(s.now.frame, s.goal.frame);
    at_start |= s.now == s.start;
    at_goal |= s.now == s.goal;
    if (s.start.clip == 0) ends.insert({s.start.frame, s.goal.frame});
  }
  EXPECT_EQ(ends.size(), 21u);
  EXPECT_TRUE(at_start && at_goal);
  for (const Stretch& s : sampler.Stretches(rng, 100, true)) {
    EXPECT_EQ(s.start.frame, 0);
    EXPECT_EQ(s.goal.frame, sampler.LengthOf(s.goal.clip) - 1);
  }
}

}  // namespace
}  // namespace v2r
