#include "pretrain/sequences.h"

#include <vector>

#include "core/torch_rng.h"
#include "media/augment.h"
#include "pretrain/pictures.h"

namespace v2r {

torch::Tensor SampleViews(const ClipSet& clips, std::span<const FrameIndex> frames, int64_t group,
                          const PretrainOptions& options, const EncoderSpec& spec, Rng& rng) {
  if (!options.shared_augment) return AugmentedViews(clips, frames, options.augment, spec, rng);
  const torch::Tensor plain = PlainViews(clips, frames, spec);
  const torch::Tensor pictures = plain.view({-1, 3, spec.input_size, spec.input_size});
  const torch::Tensor views =
      Augmenter(options.augment)(pictures, rng, group * spec.frame_stack);
  return views.view(plain.sizes());
}

torch::Tensor Permutations(Rng& rng, int64_t count, int64_t n) {
  std::vector<torch::Tensor> rows;
  for (int64_t k = 0; k < count; ++k) rows.push_back(RandomPermutation(rng, n));
  return count > 0 ? torch::stack(rows) : torch::empty({0, n}, torch::kLong);
}

}  // namespace v2r
