#include "pretrain/pictures.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "core/error.h"

namespace v2r {
namespace {

// The `index`-th of all frames, clip after clip.
FrameIndex NthFrame(const ClipSet& clips, int64_t index) {
  for (size_t c = 0; c < clips.clips.size(); ++c) {
    const int64_t length = clips.clips[c].frames.size(0);
    if (index < length) return {static_cast<int64_t>(c), index};
    index -= length;
  }
  V2R_CHECK(false, "frame {} lies behind the last clip", index);
}

}  // namespace

torch::Tensor GatherStacks(const ClipSet& clips, std::span<const FrameIndex> frames, int64_t frame_stack) {
  V2R_CHECK(!frames.empty());
  const torch::Tensor& first = clips.clips[frames[0].clip].frames;
  const int64_t height = first.size(1);
  const int64_t width = first.size(2);
  const int64_t bytes = height * width * 3;
  torch::Tensor out =
      torch::empty({static_cast<int64_t>(frames.size()), frame_stack, height, width, 3}, torch::kByte);
  uint8_t* to = out.data_ptr<uint8_t>();
  for (const FrameIndex& index : frames) {
    const torch::Tensor& clip = clips.clips[index.clip].frames;
    V2R_CHECK_EQ(clip.size(1) * clip.size(2) * 3, bytes);
    const uint8_t* from = clip.const_data_ptr<uint8_t>();
    for (int64_t s = frame_stack - 1; s >= 0; --s, to += bytes) {
      std::memcpy(to, from + std::max<int64_t>(0, index.frame - s) * bytes, bytes);
    }
  }
  return out;
}

torch::Tensor AugmentedViews(const ClipSet& clips, std::span<const FrameIndex> frames, const AugmentOptions& augment,
                             const EncoderSpec& spec, Rng& rng) {
  const torch::Tensor pictures = FramesToFloat(GatherStacks(clips, frames, spec.frame_stack)).flatten(0, 1);
  return Augmenter(augment)(pictures, rng, spec.frame_stack)
      .view({static_cast<int64_t>(frames.size()), 3 * spec.frame_stack, spec.input_size, spec.input_size});
}

torch::Tensor PlainViews(const ClipSet& clips, std::span<const FrameIndex> frames, const EncoderSpec& spec) {
  return FramesToFloat(GatherStacks(clips, frames, spec.frame_stack)).flatten(1, 2).contiguous();
}

std::vector<FrameIndex> SpreadFrames(const ClipSet& clips, int64_t count) {
  const int64_t total = clips.TotalFrames();
  count = std::min(count, total);
  std::vector<FrameIndex> frames;
  frames.reserve(count);
  for (int64_t i = 0; i < count; ++i) frames.push_back(NthFrame(clips, i * total / count));
  return frames;
}

std::vector<FrameIndex> DistinctFrames(const ClipSet& clips, int64_t count, Rng& rng) {
  const int64_t total = clips.TotalFrames();
  V2R_CHECK_GE(total, count);
  // Floyd's sampling: a uniform subset with `count` draws.
  std::unordered_set<int64_t> taken;
  std::vector<FrameIndex> frames;
  frames.reserve(count);
  for (int64_t last = total - count; last < total; ++last) {
    int64_t index = static_cast<int64_t>(rng.Below(last + 1));
    if (!taken.insert(index).second) {
      index = last;
      taken.insert(index);
    }
    frames.push_back(NthFrame(clips, index));
  }
  return frames;
}

FrameIndex NearbyFrame(const ClipSet& clips, FrameIndex frame, int64_t window, Rng& rng) {
  const int64_t first = std::max<int64_t>(0, frame.frame - window);
  const int64_t last = std::min(clips.clips[frame.clip].frames.size(0) - 1, frame.frame + window);
  V2R_CHECK_GT(last, first);
  const int64_t drawn = first + static_cast<int64_t>(rng.Below(last - first));
  return {frame.clip, drawn < frame.frame ? drawn : drawn + 1};
}

}  // namespace v2r
