// Frames that belong together: several of one clip a sample. As FrameSampler it draws indices only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"
#include "media/samplers.h"

namespace v2r {

struct OrderedFrames {
  FrameIndex start, end;  // of the clip's first and last share
  FrameIndex s0, s1, s2;  // s0 < s1 <= s2
};
struct Stretch {
  FrameIndex start, now, goal;  // of one clip; start <= now <= goal, start < goal
};

class SequenceSampler {
 public:
  // Draws from the clips of at least `frames` frames. UserError, which names `what`, when there are
  // fewer than `clips` of them.
  SequenceSampler(const ClipSet& set, int64_t frames, const std::string& what, int64_t clips = 1);

  // [count * length] sample after sample: `length` different frames of a clip in order of time,
  // uniform without replacement (XIRL's frame sampler). The clips differ; where there are fewer
  // than `count`, each is drawn once before any is drawn again.
  std::vector<FrameIndex> Clips(Rng& rng, int64_t count, int64_t length) const;
  // The same with the frames at equal shares of each clip's length: frame j of all samples lies at
  // (j + u) / length, u uniform in [0, 1) (XIRL's VariableStridedSampler has u = 0).
  std::vector<FrameIndex> Aligned(Rng& rng, int64_t count, int64_t length) const;
  // [count] R3M (facebookresearch/r3m r3m/utils/data_loaders.py): clip uniform of L >= 3 frames; s1
  // in [1, L - 2], s0 before it, s2 in [s1, L - 1]; start in the first floor(alpha L) + 1 frames,
  // end in as many last ones (the released code counts from 1 and leaves the very last one out).
  std::vector<OrderedFrames> Ordered(Rng& rng, int64_t count, double alpha) const;
  // [count] tedywond/rank2reward video2reward/util/frame_triplet_loader.py: clip uniform; start in
  // [0, L - 1), goal after it, now in between or either; with `whole` the clip's ends.
  std::vector<Stretch> Stretches(Rng& rng, int64_t count, bool whole) const;

  int64_t LengthOf(int64_t clip) const;  // frames of a clip drawn from, by position in ClipSet

 private:
  struct Entry {
    int64_t clip = 0, length = 0;
  };
  std::vector<Entry> DifferentClips(Rng& rng, int64_t count) const;
  const Entry& AnyClip(Rng& rng) const;
  std::vector<Entry> clips_;
};

}  // namespace v2r
