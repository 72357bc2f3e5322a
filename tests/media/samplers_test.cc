#include "media/samplers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/error.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

// Clip c has `lengths[c]` frames of 4x4, frame t filled with (c, t, 0); labels good, good, ..., the
// last random.
ClipSet Clips(const std::vector<int64_t>& lengths) {
  ClipSet set;
  for (size_t c = 0; c < lengths.size(); ++c) {
    auto frames = torch::zeros({lengths[c], 4, 4, 3}, torch::kUInt8);
    frames.select(3, 0).fill_(static_cast<int64_t>(c));
    frames.select(3, 1).copy_(torch::arange(lengths[c]).view({-1, 1, 1}));
    set.clips.push_back(
        {"clip" + std::to_string(c), c + 1 == lengths.size() ? "random" : "good", frames, 25});
  }
  return set;
}

TEST(FrameSampler, LabelsChooseTheClips) {
  const ClipSet set = Clips({5, 6, 7});
  EXPECT_EQ(FrameSampler(set).total_frames(), 18);
  EXPECT_EQ(FrameSampler(set, {"good"}).clips(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(FrameSampler(set, {"random"}).clips(), (std::vector<int64_t>{2}));
  EXPECT_THAT(UserErrorOf([&] { FrameSampler(set, {"near_miss"}); }),
              HasSubstr("no clip has the label near_miss: the data set has good, random"));
}

TEST(FrameSampler, UniformReachesEveryFrameAlike) {
  const ClipSet set = Clips({2, 10, 4});
  Rng rng(1);
  std::map<std::pair<int64_t, int64_t>, int> counts;
  for (const auto& index : FrameSampler(set).Uniform(rng, 16000))
    ++counts[{index.clip, index.frame}];
  EXPECT_EQ(counts.size(), 16u);
  for (const auto& [index, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(FrameSampler, TheSameStreamGivesTheSameDraws) {
  const ClipSet set = Clips({12, 20});
  const FrameSampler sampler(set);
  Rng a(7), b(7), c(8);
  EXPECT_EQ(sampler.Uniform(a, 50), sampler.Uniform(b, 50));
  EXPECT_NE(sampler.Uniform(a, 50), sampler.Uniform(c, 50));
}

TEST(FrameSampler, WindowsAreEvenlySpacedAndFit) {
  const ClipSet set = Clips({5, 12, 9});
  const FrameSampler sampler(set);
  Rng rng(2);
  std::set<std::pair<int64_t, int64_t>> starts;
  for (int i = 0; i < 500; ++i) {
    const auto window = sampler.Window(rng, 4, 2);
    ASSERT_EQ(window.size(), 4u);
    EXPECT_NE(window[0].clip, 0) << "5 frames are too few for a span of 7";
    for (int k = 0; k < 4; ++k) {
      EXPECT_EQ(window[k].clip, window[0].clip);
      EXPECT_EQ(window[k].frame, window[0].frame + 2 * k);
    }
    EXPECT_LT(window[3].frame, set.clips[window[0].clip].frames.size(0));
    starts.insert({window[0].clip, window[0].frame});
  }
  EXPECT_EQ(starts.size(), 6u + 3u) << "every start occurs";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sampler.Window(rng, 5, 1, 0)[0], (FrameIndex{0, 0}));
  EXPECT_THAT(
      UserErrorOf([&] { sampler.Window(rng, 7, 2); }),
      HasSubstr(
          "no clip is long enough for a window of 7 frames at stride 2: 13 frames are needed, the "
          "longest has 12 ('clip1')"));
}

TEST(FrameSampler, SpreadIsSortedWithoutRepetition) {
  const ClipSet set = Clips({5, 12});
  Rng rng(3);
  std::vector<int> counts(12);
  for (int i = 0; i < 3000; ++i) {
    const auto frames = FrameSampler(set).Spread(rng, 6);
    for (size_t k = 0; k < 6; ++k) {
      EXPECT_EQ(frames[k].clip, 1);
      if (k > 0) {
        EXPECT_LT(frames[k - 1].frame, frames[k].frame);
      }
      ++counts[frames[k].frame];
    }
  }
  for (const int count : counts) EXPECT_NEAR(count, 1500, 150);
  EXPECT_THROW(FrameSampler(set).Spread(rng, 6, 0), UserError);
}

TEST(FrameSampler, WithinPairsAreNearAndDifferent) {
  const ClipSet set = Clips({1, 3, 30});
  Rng rng(4);
  std::set<int64_t> gaps;
  for (const auto& pair : FrameSampler(set).WithinPairs(rng, 2000, 3)) {
    EXPECT_NE(pair.first.clip, 0) << "one frame makes no pair";
    EXPECT_EQ(pair.first.clip, pair.second.clip);
    EXPECT_EQ(pair.gap, pair.second.frame - pair.first.frame);
    EXPECT_NE(pair.gap, 0);
    EXPECT_LE(std::abs(pair.gap), 3);
    EXPECT_GE(pair.second.frame, 0);
    EXPECT_LT(pair.second.frame, set.clips[pair.second.clip].frames.size(0));
    gaps.insert(pair.gap);
  }
  EXPECT_EQ(gaps.size(), 6u);
}

TEST(FrameSampler, OrderedPairsAreUniformOverThePairs) {
  const ClipSet set = Clips({6, 4});
  Rng rng(5);
  std::map<std::pair<int64_t, int64_t>, int> counts;
  for (const auto& pair : FrameSampler(set).OrderedPairs(rng, 15000, 0, 0)) {
    EXPECT_EQ(pair.first.clip, 0);
    EXPECT_LT(pair.first.frame, pair.second.frame);
    ++counts[{pair.first.frame, pair.second.frame}];
  }
  EXPECT_EQ(counts.size(), 15u);
  for (const auto& [pair, count] : counts) EXPECT_NEAR(count, 1000, 150);
  for (const auto& pair : FrameSampler(set).OrderedPairs(rng, 500, 2)) {
    EXPECT_GE(pair.gap, 1);
    EXPECT_LE(pair.gap, 2);
    EXPECT_LT(pair.second.frame, set.clips[pair.second.clip].frames.size(0));
  }
}

TEST(FrameSampler, TripletsKeepTheRadii) {
  const ClipSet set = Clips({5, 9, 40});
  Rng rng(6);
  std::map<int64_t, std::set<int64_t>> anchors;
  for (const auto& t : FrameSampler(set).TripletTcn(rng, 4000, 2, 5)) {
    EXPECT_EQ(t.anchor.clip, t.positive.clip);
    EXPECT_EQ(t.anchor.clip, t.negative.clip);
    const int64_t positive = std::abs(t.positive.frame - t.anchor.frame);
    EXPECT_GE(positive, 1);
    EXPECT_LE(positive, 2);
    EXPECT_GT(std::abs(t.negative.frame - t.anchor.frame), 5);
    for (const auto& index : {t.positive, t.negative}) {
      EXPECT_GE(index.frame, 0);
      EXPECT_LT(index.frame, set.clips[index.clip].frames.size(0));
    }
    anchors[t.anchor.clip].insert(t.anchor.frame);
  }
  EXPECT_FALSE(anchors.contains(0)) << "5 frames have no negative";
  EXPECT_EQ(anchors[1], (std::set<int64_t>{0, 1, 2, 6, 7, 8}))
      << "the middle of 9 frames has none either";
  EXPECT_EQ(anchors[2].size(), 40u);
  EXPECT_THROW(FrameSampler(set).TripletTcn(rng, 1, 2, 39), UserError);
}

TEST(FrameSampler, GoalsAreLastFramesOfTheOwnOrAnotherClip) {
  const ClipSet set = Clips({5, 9, 7});
  Rng rng(7);
  int crossed = 0;
  std::set<int64_t> goals;
  for (const auto& pair : FrameSampler(set).GoalPairs(rng, 4000, 0.4)) {
    EXPECT_EQ(pair.goal.frame, set.clips[pair.goal.clip].frames.size(0) - 1);
    EXPECT_EQ(pair.distance, set.clips[pair.frame.clip].frames.size(0) - 1 - pair.frame.frame);
    crossed += pair.goal.clip != pair.frame.clip;
    goals.insert(pair.goal.clip);
  }
  EXPECT_NEAR(crossed / 4000.0, 0.4, 0.04);
  EXPECT_EQ(goals.size(), 3u);
  for (const auto& pair : FrameSampler(set).GoalPairs(rng, 200, 0))
    EXPECT_EQ(pair.goal.clip, pair.frame.clip);
  for (const auto& pair : FrameSampler(set).GoalPairs(rng, 200, 1))
    EXPECT_NE(pair.goal.clip, pair.frame.clip);
  EXPECT_THAT(UserErrorOf([&] { FrameSampler(set, {"random"}).GoalPairs(rng, 1, 0.5); }),
              HasSubstr("one clip only"));
}

TEST(FrameSampler, SubClipsAreInOrder) {
  const ClipSet set = Clips({2, 3, 12});
  Rng rng(8);
  std::set<int64_t> goals;
  for (const auto& sub : FrameSampler(set).SubClips(rng, 4000)) {
    EXPECT_NE(sub.start.clip, 0);
    EXPECT_LE(sub.start.frame, sub.now.frame);
    EXPECT_LT(sub.now.frame, sub.goal.frame);
    EXPECT_EQ(sub.next.frame, sub.now.frame + 1);
    EXPECT_LT(sub.goal.frame, set.clips[sub.goal.clip].frames.size(0));
    EXPECT_LT(sub.start.frame, set.clips[sub.start.clip].frames.size(0) - 2);
    if (sub.goal.clip == 2) goals.insert(sub.goal.frame);
  }
  EXPECT_EQ(goals.size(), 11u) << "every frame but the first is a goal sometimes";
}

TEST(Gather, FetchesThePicturesNamed) {
  const ClipSet set = Clips({3, 5});
  const std::vector<FrameIndex> indices = {{1, 4}, {0, 0}, {1, 2}};
  const auto batch = Gather(set, indices);
  EXPECT_EQ(batch.sizes(), torch::IntArrayRef({3, 4, 4, 3}));
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE((batch[i].select(2, 0) == indices[i].clip).all().item<bool>());
    EXPECT_TRUE((batch[i].select(2, 1) == indices[i].frame).all().item<bool>());
  }
  const std::vector<FramePair> pairs = {{{0, 1}, {0, 2}, 1}};
  EXPECT_EQ(Select(pairs, &FramePair::second), (std::vector<FrameIndex>{{0, 2}}));
  const std::vector<FrameIndex> outside = {{0, 3}};
  EXPECT_THROW(Gather(set, outside), Error);
}

TEST(FrameSampler, LastFramesAreTheEnds) {
  const ClipSet set = Clips({3, 5, 2});
  EXPECT_EQ(FrameSampler(set, {"good"}).LastFrames(), (std::vector<FrameIndex>{{0, 2}, {1, 4}}));
}

}  // namespace
}  // namespace v2r
