// Which pictures of a data set are labelled, and batches of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"
#include "media/clips.h"
#include "media/samplers.h"

namespace v2r {

struct Labels {
  std::vector<FrameIndex> frames;
  std::vector<int64_t> targets;  // beside them, 0 .. classes-1
  int64_t classes = 0;

  int64_t size() const { return static_cast<int64_t>(frames.size()); }
};

// Positions, ascending, of `fraction` of each class's members, rounded, one at least; targets 0 ..
// classes-1, others are left out. Which ones depends on `rng` and the class alone, and a smaller
// fraction's are among a larger one's.
std::vector<int64_t> PickBalanced(const std::vector<int64_t>& targets, int64_t classes,
                                  double fraction, const Rng& rng);

// All frames of `fraction` of each class's clips, picked so, in their order. UserError naming
// `method`: the data name no classes, a clip has no label, or fewer than two classes have clips.
Labels PickLabels(const ClipSet& clips, double fraction, const Rng& rng, const std::string& method);

// `count` positions below `size`, all of them before any comes again.
std::vector<int64_t> DrawPositions(int64_t size, int64_t count, Rng& rng);

}  // namespace v2r
