#include "pretrain/labels.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"

namespace v2r {

std::vector<int64_t> PickBalanced(const std::vector<int64_t>& targets, int64_t classes,
                                  double fraction, const Rng& rng) {
  std::vector<int64_t> kept;
  for (int64_t target = 0; target < classes; ++target) {
    std::vector<int64_t> members;
    for (size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] == target) members.push_back(static_cast<int64_t>(i));
    }
    const auto count = static_cast<int64_t>(members.size());
    if (count == 0) continue;
    const int64_t wanted = std::llround(fraction * static_cast<double>(count));
    Rng stream = rng.Fork("class", static_cast<uint64_t>(target));
    const std::vector<int64_t> order = stream.Permutation(count);
    for (int64_t i = 0; i < std::clamp<int64_t>(wanted, 1, count); ++i) {
      kept.push_back(members[order[i]]);
    }
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

Labels PickLabels(const ClipSet& clips, double fraction, const Rng& rng,
                  const std::string& method) {
  if (clips.classes.empty()) {
    ThrowUser(
        "pretrain.method={} learns from labels, and the data name no classes: give labelled "
        "pictures (docs/pretraining/pictures.md)",
        method);
  }
  Labels labels;
  labels.classes = static_cast<int64_t>(clips.classes.size());
  std::vector<int64_t> targets;
  for (const Clip& clip : clips.clips) {
    if (clip.target < 0 || clip.target >= labels.classes) {
      ThrowUser("pretrain.method={}: {} has no label", method, clip.name);
    }
    targets.push_back(clip.target);
  }
  if (std::set<int64_t>(targets.begin(), targets.end()).size() < 2) {
    ThrowUser("pretrain.method={}: only one class has pictures, two are needed", method);
  }
  for (const int64_t c : PickBalanced(targets, labels.classes, fraction, rng)) {
    for (int64_t t = 0; t < clips.clips[c].frames.size(0); ++t) {
      labels.frames.push_back({c, t});
      labels.targets.push_back(targets[c]);
    }
  }
  return labels;
}

std::vector<int64_t> DrawPositions(int64_t size, int64_t count, Rng& rng) {
  V2R_CHECK_GT(size, 0);
  std::vector<int64_t> positions;
  while (static_cast<int64_t>(positions.size()) < count) {
    for (const int64_t position : rng.Permutation(size)) {
      positions.push_back(position);
      if (static_cast<int64_t>(positions.size()) == count) break;
    }
  }
  return positions;
}

}  // namespace v2r
