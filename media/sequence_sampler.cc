#include "media/sequence_sampler.h"

#include <algorithm>

#include "core/error.h"

namespace v2r {
namespace {

// Uniform integer in [low, high].
int64_t Between(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(high - low + 1)));
}

}  // namespace

SequenceSampler::SequenceSampler(const ClipSet& set, int64_t frames, const std::string& what,
                                 int64_t clips) {
  int64_t longest = 0;
  for (size_t i = 0; i < set.clips.size(); ++i) {
    const int64_t length = set.clips[i].frames.size(0);
    longest = std::max(longest, length);
    if (length >= frames) clips_.push_back({static_cast<int64_t>(i), length});
  }
  if (static_cast<int64_t>(clips_.size()) < clips) {
    ThrowUser(
        "{} needs {} or more clips of {} frames or more: {} of {} are as long (the longest has {})",
        what, clips, frames, clips_.size(), set.clips.size(), longest);
  }
}

const SequenceSampler::Entry& SequenceSampler::AnyClip(Rng& rng) const {
  return clips_[rng.Below(clips_.size())];
}

std::vector<SequenceSampler::Entry> SequenceSampler::DifferentClips(Rng& rng, int64_t count) const {
  std::vector<Entry> drawn;
  while (static_cast<int64_t>(drawn.size()) < count) {
    for (const int64_t i : rng.Permutation(static_cast<int64_t>(clips_.size()))) {
      if (static_cast<int64_t>(drawn.size()) < count) drawn.push_back(clips_[i]);
    }
  }
  return drawn;
}

std::vector<FrameIndex> SequenceSampler::Clips(Rng& rng, int64_t count, int64_t length) const {
  std::vector<FrameIndex> frames;
  for (const Entry& entry : DifferentClips(rng, count)) {
    V2R_CHECK(length <= entry.length, "{} of {} frames", length, entry.length);
    auto order = rng.Permutation(entry.length);
    order.resize(static_cast<size_t>(length));
    std::sort(order.begin(), order.end());
    for (const int64_t frame : order) frames.push_back({entry.clip, frame});
  }
  return frames;
}

std::vector<FrameIndex> SequenceSampler::Aligned(Rng& rng, int64_t count, int64_t length) const {
  std::vector<FrameIndex> frames;
  const auto drawn = DifferentClips(rng, count);
  const double u = rng.Uniform();
  for (const Entry& entry : drawn) {
    for (int64_t j = 0; j < length; ++j) {
      const double at = (static_cast<double>(j) + u) / static_cast<double>(length);
      const auto frame = static_cast<int64_t>(at * static_cast<double>(entry.length));
      frames.push_back({entry.clip, std::min(frame, entry.length - 1)});
    }
  }
  return frames;
}

std::vector<OrderedFrames> SequenceSampler::Ordered(Rng& rng, int64_t count, double alpha) const {
  std::vector<OrderedFrames> result(static_cast<size_t>(count));
  for (OrderedFrames& frames : result) {
    const Entry& entry = AnyClip(rng);
    V2R_CHECK_GE(entry.length, 3);
    const int64_t last = entry.length - 1;
    const auto share = static_cast<int64_t>(alpha * static_cast<double>(entry.length));
    const auto at = [&](int64_t low, int64_t high) {
      return FrameIndex{entry.clip, Between(rng, low, high)};
    };
    frames.start = at(0, std::min(share, last));
    frames.end = at(std::max<int64_t>(last - share, 0), last);
    frames.s1 = at(1, last - 1);
    frames.s0 = at(0, frames.s1.frame - 1);
    frames.s2 = at(frames.s1.frame, last);
  }
  return result;
}

std::vector<Stretch> SequenceSampler::Stretches(Rng& rng, int64_t count, bool whole) const {
  std::vector<Stretch> result(static_cast<size_t>(count));
  for (Stretch& stretch : result) {
    const Entry& entry = AnyClip(rng);
    V2R_CHECK_GE(entry.length, 2);
    const int64_t last = entry.length - 1;
    const int64_t start = whole ? 0 : Between(rng, 0, last - 1);
    const int64_t goal = whole ? last : Between(rng, start + 1, last);
    stretch = {{entry.clip, start}, {entry.clip, Between(rng, start, goal)}, {entry.clip, goal}};
  }
  return result;
}

int64_t SequenceSampler::LengthOf(int64_t clip) const {
  for (const Entry& entry : clips_) {
    if (entry.clip == clip) return entry.length;
  }
  V2R_CHECK(false, "clip {} is not among the {} drawn from", clip, clips_.size());
}

}  // namespace v2r
