// Which frames a training step looks at. A sampler knows the lengths of the clips only; it draws
// indices, Gather() fetches the pictures.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/rng.h"
#include "media/clips.h"

namespace v2r {

struct FrameIndex {
  int64_t clip = 0;   // position in ClipSet::clips
  int64_t frame = 0;  // 0-based
  bool backward = false;  // seen while the film runs backward: what came before lies after it
  bool operator==(const FrameIndex&) const = default;
};
struct FramePair {
  FrameIndex first, second;
  int64_t gap = 0;  // second.frame - first.frame
};
struct FrameTriplet {
  FrameIndex anchor, positive, negative;
};
struct GoalPair {
  FrameIndex frame, goal;  // goal: the last frame of a clip
  int64_t distance = 0;    // steps from `frame` to the end of its own clip
};
struct SubClip {
  FrameIndex start, now, next, goal;  // of one clip; start <= now < goal, next = now + 1
};

class FrameSampler {
 public:
  // Draws from the clips of `set` whose label is among `labels` (empty: all). UserError naming the
  // labels there are when none is left.
  explicit FrameSampler(const ClipSet& set, const std::vector<std::string>& labels = {});

  // All of these need clips of a least length: shorter ones are not drawn from, and when no clip is
  // long enough a UserError says which length is needed and which is the longest. "Any frame" =
  // each frame of the clips in question with equal probability. `clip` >= 0 draws from that clip
  // alone.

  // [count] any frame, with replacement.
  std::vector<FrameIndex> Uniform(Rng& rng, int64_t count) const;
  // [length] frames start, start + stride, ... of a clip drawn uniformly (or `clip`), start
  // uniform.
  std::vector<FrameIndex> Window(Rng& rng, int64_t length, int64_t stride = 1,
                                 int64_t clip = -1) const;
  // [length] different frames of one clip in order of time, uniform without replacement (XIRL's
  // frame sampler).
  std::vector<FrameIndex> Spread(Rng& rng, int64_t length, int64_t clip = -1) const;
  // [count] any frame and another frame of its clip at most max_gap >= 1 steps before or after it
  // (uniform over those that exist).
  std::vector<FramePair> WithinPairs(Rng& rng, int64_t count, int64_t max_gap) const;
  // [count] first earlier than second, both of one clip drawn uniformly (or `clip`): uniform over
  // the pairs at most max_gap apart (0: over all pairs).
  std::vector<FramePair> OrderedPairs(Rng& rng, int64_t count, int64_t max_gap = 0,
                                      int64_t clip = -1) const;
  // [count] single-view TCN (Sermanet et al. 2018, section III.B): positive != anchor within
  // positive_radius, negative farther than negative_radius steps from the anchor, all of one clip.
  std::vector<FrameTriplet> TripletTcn(Rng& rng, int64_t count, int64_t positive_radius,
                                       int64_t negative_radius) const;
  // [count] any frame and the last frame of its own clip or, with probability cross_share, of
  // another clip drawn uniformly. UserError when cross_share > 0 and there is one clip only.
  std::vector<GoalPair> GoalPairs(Rng& rng, int64_t count, double cross_share) const;
  // [count] VIP (facebookresearch/vip vip/utils/data_loaders.py): clip uniform, start in [0, L-2),
  // goal in [start+1, L), now in [start, goal), next = min(now + 1, goal).
  std::vector<SubClip> SubClips(Rng& rng, int64_t count) const;

  // [number of clips] the last frame of each clip drawn from.
  std::vector<FrameIndex> LastFrames() const;
  const std::vector<int64_t>& clips() const { return clips_; }  // positions in ClipSet::clips
  int64_t total_frames() const;

 private:
  struct Eligible;  // the clips long enough for one kind of draw
  Eligible LongEnough(int64_t frames, const std::string& what, int64_t clip = -1) const;

  std::vector<int64_t> clips_;
  std::vector<int64_t> lengths_;  // beside clips_
  std::vector<std::string> names_;
};

// uint8 [B,H,W,3]: the pictures of `indices`, copied. All clips must store frames of one size.
torch::Tensor Gather(const ClipSet& set, std::span<const FrameIndex> indices);

// One member of each item: Gather(set, Select(triplets, &FrameTriplet::anchor)).
template <typename Item>
std::vector<FrameIndex> Select(const std::vector<Item>& items, FrameIndex Item::*member) {
  std::vector<FrameIndex> indices;
  indices.reserve(items.size());
  for (const Item& item : items) indices.push_back(item.*member);
  return indices;
}

}  // namespace v2r
