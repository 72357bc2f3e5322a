#include "media/samplers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

int64_t Below(Rng& rng, int64_t n) {
  return static_cast<int64_t>(rng.Below(static_cast<uint64_t>(n)));
}
// Uniform integer in [low, high].
int64_t Between(Rng& rng, int64_t low, int64_t high) { return low + Below(rng, high - low + 1); }

}  // namespace

struct FrameSampler::Eligible {
  struct Range {
    int64_t clip = 0, length = 0;
    int64_t frames_before = 0;
  };
  std::vector<Range> clips;
  int64_t total = 0;

  const Range& AnyClip(Rng& rng) const {
    return clips[Below(rng, static_cast<int64_t>(clips.size()))];
  }
  // Any frame: its clip and its position.
  std::pair<Range, int64_t> AnyFrame(Rng& rng) const {
    const int64_t at = Below(rng, total);
    const auto after = std::upper_bound(
        clips.begin(), clips.end(), at,
        [](int64_t value, const Range& range) { return value < range.frames_before; });
    const Range& range = *(after - 1);
    return {range, at - range.frames_before};
  }
};

FrameSampler::FrameSampler(const ClipSet& set, const std::vector<std::string>& labels) {
  std::set<std::string> there;
  for (size_t i = 0; i < set.clips.size(); ++i) {
    const Clip& clip = set.clips[i];
    there.insert(clip.label);
    if (!labels.empty() && std::find(labels.begin(), labels.end(), clip.label) == labels.end())
      continue;
    clips_.push_back(static_cast<int64_t>(i));
    lengths_.push_back(clip.frames.size(0));
    names_.push_back(clip.name);
  }
  if (clips_.empty()) {
    const std::vector<std::string> found(there.begin(), there.end());
    ThrowUser("no clip has the label {}: the data set has {}", Join(labels, " or "),
              found.empty() ? "no clip" : Join(found, ", "));
  }
}

FrameSampler::Eligible FrameSampler::LongEnough(int64_t frames, const std::string& what,
                                                int64_t clip) const {
  Eligible eligible;
  size_t longest = 0;
  for (size_t i = 0; i < clips_.size(); ++i) {
    if (clip >= 0 && clips_[i] != clip) continue;
    if (lengths_[i] >= lengths_[longest]) longest = i;
    if (lengths_[i] < frames) continue;
    eligible.clips.push_back({clips_[i], lengths_[i], eligible.total});
    eligible.total += lengths_[i];
  }
  if (eligible.clips.empty()) {
    if (clip >= 0) {
      const auto it = std::find(clips_.begin(), clips_.end(), clip);
      V2R_CHECK(it != clips_.end(), "clip {} is not among the {} clips drawn from", clip,
                clips_.size());
      longest = static_cast<size_t>(it - clips_.begin());
    }
    ThrowUser("no clip is long enough for {}: {} frames are needed, the longest has {} ('{}')",
              what, frames, lengths_[longest], names_[longest]);
  }
  return eligible;
}

std::vector<FrameIndex> FrameSampler::Uniform(Rng& rng, int64_t count) const {
  const Eligible from = LongEnough(1, "single frames");
  std::vector<FrameIndex> result(count);
  for (FrameIndex& index : result) {
    const auto [range, frame] = from.AnyFrame(rng);
    index = {range.clip, frame};
  }
  return result;
}

std::vector<FrameIndex> FrameSampler::Window(Rng& rng, int64_t length, int64_t stride,
                                             int64_t clip) const {
  V2R_CHECK(length >= 1 && stride >= 1, "length {} stride {}", length, stride);
  const int64_t span = (length - 1) * stride + 1;
  const auto range =
      LongEnough(span, fmt::format("a window of {} frames at stride {}", length, stride), clip)
          .AnyClip(rng);
  const int64_t start = Between(rng, 0, range.length - span);
  std::vector<FrameIndex> result(length);
  for (int64_t i = 0; i < length; ++i) result[i] = {range.clip, start + i * stride};
  return result;
}

std::vector<FrameIndex> FrameSampler::Spread(Rng& rng, int64_t length, int64_t clip) const {
  V2R_CHECK(length >= 1, "length {}", length);
  const auto range =
      LongEnough(length, fmt::format("{} different frames", length), clip).AnyClip(rng);
  auto order = rng.Permutation(range.length);
  order.resize(length);
  std::sort(order.begin(), order.end());
  std::vector<FrameIndex> result(length);
  for (int64_t i = 0; i < length; ++i) result[i] = {range.clip, order[i]};
  return result;
}

std::vector<FramePair> FrameSampler::WithinPairs(Rng& rng, int64_t count, int64_t max_gap) const {
  V2R_CHECK_GE(max_gap, 1);
  const Eligible from = LongEnough(2, "pairs of frames");
  std::vector<FramePair> result(count);
  for (FramePair& pair : result) {
    const auto [range, frame] = from.AnyFrame(rng);
    const int64_t low = std::max<int64_t>(0, frame - max_gap);
    const int64_t high = std::min(range.length - 1, frame + max_gap);
    int64_t other = Between(rng, low, high - 1);
    if (other >= frame) ++other;
    pair = {{range.clip, frame}, {range.clip, other}, other - frame};
  }
  return result;
}

std::vector<FramePair> FrameSampler::OrderedPairs(Rng& rng, int64_t count, int64_t max_gap,
                                                  int64_t clip) const {
  V2R_CHECK_GE(max_gap, 0);
  const Eligible from = LongEnough(2, "ordered pairs of frames", clip);
  std::vector<FramePair> result(count);
  for (FramePair& pair : result) {
    const auto& range = from.AnyClip(rng);
    const int64_t last = range.length - 1;
    const int64_t widest = max_gap == 0 ? last : std::min(max_gap, last);
    // Uniform over the pairs: gap g has last + 1 - g of them, so draw (first, gap) and refuse those
    // that stick out.
    int64_t first = 0, gap = 0;
    do {
      first = Between(rng, 0, last - 1);
      gap = Between(rng, 1, widest);
    } while (first + gap > last);
    pair = {{range.clip, first}, {range.clip, first + gap}, gap};
  }
  return result;
}

std::vector<FrameTriplet> FrameSampler::TripletTcn(Rng& rng, int64_t count, int64_t positive_radius,
                                                   int64_t negative_radius) const {
  V2R_CHECK_GE(positive_radius, 1);
  V2R_CHECK_GE(negative_radius, positive_radius);
  const Eligible from =
      LongEnough(negative_radius + 2,
                 fmt::format("triplets with negatives farther than {} steps", negative_radius));
  std::vector<FrameTriplet> result(count);
  for (FrameTriplet& triplet : result) {
    while (true) {
      const auto [range, anchor] = from.AnyFrame(rng);
      const int64_t last = range.length - 1;
      const int64_t before =
          std::max<int64_t>(0, anchor - negative_radius);  // negatives 0 .. before-1
      const int64_t after =
          std::max<int64_t>(0, last - anchor - negative_radius);  // the last `after` frames
      if (before + after == 0) continue;  // the middle of a short clip has no negative
      int64_t positive = Between(rng, std::max<int64_t>(0, anchor - positive_radius),
                                 std::min(last, anchor + positive_radius) - 1);
      if (positive >= anchor) ++positive;
      int64_t negative = Below(rng, before + after);
      if (negative >= before) negative += range.length - after - before;
      triplet = {{range.clip, anchor}, {range.clip, positive}, {range.clip, negative}};
      break;
    }
  }
  return result;
}

std::vector<GoalPair> FrameSampler::GoalPairs(Rng& rng, int64_t count, double cross_share) const {
  const Eligible from = LongEnough(1, "goal pairs");
  const auto clips = static_cast<int64_t>(from.clips.size());
  if (cross_share > 0 && clips < 2) {
    ThrowUser(
        "goals of other clips are asked for, but there is one clip only: film more or switch them "
        "off");
  }
  std::vector<GoalPair> result(count);
  for (GoalPair& pair : result) {
    const auto [range, frame] = from.AnyFrame(rng);
    int64_t other = 0;
    while (from.clips[other].clip != range.clip) ++other;
    if (rng.Bernoulli(cross_share)) {
      const int64_t step = Between(rng, 1, clips - 1);
      other = (other + step) % clips;
    }
    const auto& goal = from.clips[other];
    pair = {{range.clip, frame}, {goal.clip, goal.length - 1}, range.length - 1 - frame};
  }
  return result;
}

std::vector<SubClip> FrameSampler::SubClips(Rng& rng, int64_t count) const {
  const Eligible from = LongEnough(3, "sub-clips that end at a goal");
  std::vector<SubClip> result(count);
  for (SubClip& sub : result) {
    const auto& range = from.AnyClip(rng);
    const int64_t start = Between(rng, 0, range.length - 3);
    const int64_t goal = Between(rng, start + 1, range.length - 1);
    const int64_t now = Between(rng, start, goal - 1);
    sub = {{range.clip, start}, {range.clip, now}, {range.clip, now + 1}, {range.clip, goal}};
  }
  return result;
}

std::vector<FrameIndex> FrameSampler::LastFrames() const {
  std::vector<FrameIndex> result;
  for (size_t i = 0; i < clips_.size(); ++i) result.push_back({clips_[i], lengths_[i] - 1});
  return result;
}

int64_t FrameSampler::total_frames() const {
  int64_t total = 0;
  for (const int64_t length : lengths_) total += length;
  return total;
}

torch::Tensor Gather(const ClipSet& set, std::span<const FrameIndex> indices) {
  V2R_CHECK(!indices.empty() && !set.clips.empty(), "{} indices, {} clips", indices.size(),
            set.clips.size());
  const auto& first = set.clips[0].frames;
  const int64_t height = first.size(1), width = first.size(2);
  const int64_t bytes = height * width * 3;
  auto batch =
      torch::empty({static_cast<int64_t>(indices.size()), height, width, 3}, torch::kUInt8);
  auto* to = batch.data_ptr<uint8_t>();
  for (const FrameIndex& index : indices) {
    V2R_CHECK(index.clip >= 0 && index.clip < static_cast<int64_t>(set.clips.size()),
              "clip {} of {}", index.clip, set.clips.size());
    const auto& frames = set.clips[index.clip].frames;
    V2R_CHECK(frames.is_contiguous() && frames.size(1) == height && frames.size(2) == width,
              "clip '{}' has frames of another size", set.clips[index.clip].name);
    V2R_CHECK(index.frame >= 0 && index.frame < frames.size(0), "frame {} of {} in '{}'",
              index.frame, frames.size(0), set.clips[index.clip].name);
    std::memcpy(to, frames.data_ptr<uint8_t>() + index.frame * bytes, static_cast<size_t>(bytes));
    to += bytes;
  }
  return batch;
}

}  // namespace v2r
