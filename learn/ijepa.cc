#include "learn/ijepa.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace v2r {
namespace {

constexpr int kTries = 20;  // before a constraint is given up

struct Size {
  int64_t height = 0, width = 0;
};

// _sample_block_size; Python rounds halves to even, as nearbyint does.
Size BlockSize(const BlockMaskSpec& spec, const std::array<double, 2>& scale,
               const std::array<double, 2>& aspect_ratio, double draw) {
  const double share = scale[0] + draw * (scale[1] - scale[0]);
  const auto area = std::floor(static_cast<double>(spec.rows * spec.cols) * share);
  const double aspect = aspect_ratio[0] + draw * (aspect_ratio[1] - aspect_ratio[0]);
  const auto height = static_cast<int64_t>(std::nearbyint(std::sqrt(area * aspect)));
  const auto width = static_cast<int64_t>(std::nearbyint(std::sqrt(area / aspect)));
  return {std::min(height, spec.rows - 1), std::min(width, spec.cols - 1)};
}

void RequireLarge(const BlockMaskSpec& spec, const Size& size, const char* key) {
  if (size.height * size.width > spec.min_keep) return;
  ThrowUser(
      "I-JEPA's masks: a block of {} x {} patches has not more than min_keep={} of the {} x {}; "
      "lower min_keep, raise {}, or take a smaller encoder.patch_size",
      size.height, size.width, spec.min_keep, spec.rows, spec.cols, key);
}

using Covered = std::vector<std::vector<bool>>;  // by block: whether it covers a patch

// A block somewhere: the patches of it that `taken` leaves, of whose blocks the last are given up
// one by one where too few are left. All of it goes to `covered`, unless null.
std::vector<int64_t> DrawBlock(const BlockMaskSpec& spec, const Size& size, const MaskDraws& draws,
                               const Covered& taken, Covered* covered) {
  size_t heeded = taken.size();
  for (int left_tries = kTries;;) {
    const int64_t top = draws.below(spec.rows - size.height);
    const int64_t left = draws.below(spec.cols - size.width);
    std::vector<int64_t> patches;
    std::vector<bool> block(spec.rows * spec.cols, false);
    for (int64_t y = top; y < top + size.height; ++y) {
      for (int64_t x = left; x < left + size.width; ++x) {
        const int64_t patch = y * spec.cols + x;
        block[patch] = true;
        bool free = true;
        for (size_t k = 0; k < heeded; ++k) free = free && !taken[k][patch];
        if (free) patches.push_back(patch);
      }
    }
    if (static_cast<int64_t>(patches.size()) > spec.min_keep) {
      if (covered != nullptr) covered->push_back(std::move(block));
      return patches;
    }
    if (--left_tries > 0) continue;
    left_tries = kTries;
    if (heeded > 0) --heeded;
  }
}

// [M,B,K], K the shortest.
torch::Tensor Stacked(const std::vector<std::vector<std::vector<int64_t>>>& of_picture) {
  size_t shortest = SIZE_MAX;
  for (const auto& masks : of_picture) {
    for (const auto& mask : masks) shortest = std::min(shortest, mask.size());
  }
  const auto batch = static_cast<int64_t>(of_picture.size());
  const auto count = static_cast<int64_t>(of_picture.at(0).size());
  auto out = torch::empty({count, batch, static_cast<int64_t>(shortest)}, torch::kLong);
  auto* to = out.data_ptr<int64_t>();
  for (int64_t m = 0; m < count; ++m) {
    for (int64_t b = 0; b < batch; ++b) to = std::copy_n(of_picture[b][m].begin(), shortest, to);
  }
  return out;
}

}  // namespace

BlockMasks SampleBlockMasks(const BlockMaskSpec& spec, int64_t batch, const MaskDraws& draws) {
  const Size target = BlockSize(spec, spec.pred_scale, spec.aspect_ratio, draws.uniform());
  const Size context = BlockSize(spec, spec.enc_scale, {1, 1}, draws.uniform());
  RequireLarge(spec, target, "pred_mask_scale");
  RequireLarge(spec, context, "enc_mask_scale");
  std::vector<std::vector<std::vector<int64_t>>> contexts(batch), targets(batch);
  for (int64_t b = 0; b < batch; ++b) {
    Covered covered;
    for (int64_t k = 0; k < spec.target_blocks; ++k) {
      targets[b].push_back(DrawBlock(spec, target, draws, {}, &covered));
    }
    if (spec.allow_overlap) covered.clear();
    for (int64_t k = 0; k < spec.context_blocks; ++k) {
      contexts[b].push_back(DrawBlock(spec, context, draws, covered, nullptr));
    }
  }
  return {Stacked(contexts), Stacked(targets)};
}

BlockMasks SampleBlockMasks(const BlockMaskSpec& spec, int64_t batch, Rng& rng) {
  return SampleBlockMasks(
      spec, batch,
      {[&] { return rng.Uniform(); },
       [&](int64_t n) { return static_cast<int64_t>(rng.Below(static_cast<uint64_t>(n))); }});
}

torch::Tensor ApplyMasks(const torch::Tensor& x, const torch::Tensor& masks) {
  std::vector<torch::Tensor> parts;
  for (const auto& mask : masks.unbind(0)) {
    parts.push_back(x.gather(1, mask.unsqueeze(-1).expand({-1, -1, x.size(2)})));
  }
  return torch::cat(parts);
}

torch::Tensor RepeatInterleaveBatch(const torch::Tensor& x, int64_t batch, int64_t repeat) {
  V2R_CHECK_EQ(x.size(0) % batch, 0);
  std::vector<torch::Tensor> parts;
  for (const auto& group : x.split(batch)) parts.insert(parts.end(), repeat, group);
  return torch::cat(parts);
}

}  // namespace v2r
