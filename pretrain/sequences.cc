#include "pretrain/sequences.h"

#include "core/error.h"
#include "core/torch_rng.h"
#include "media/augment.h"
#include "pretrain/pictures.h"

namespace v2r {

torch::Tensor SampleViews(const ClipSet& clips, std::span<const FrameIndex> frames, int64_t group,
                          const PretrainOptions& options, const EncoderSpec& spec, Rng& rng) {
  if (!options.shared_augment) return AugmentedViews(clips, frames, options.augment, spec, rng);
  const torch::Tensor plain = PlainViews(clips, frames, spec);
  const torch::Tensor pictures = plain.view({-1, 3, spec.input_size, spec.input_size});
  const torch::Tensor views = Augmenter(options.augment)(pictures, rng, group * spec.frame_stack);
  return views.view(plain.sizes());
}

void TurnBack(std::vector<FrameIndex>& frames, const PretrainOptions& options, Rng& rng) {
  if (options.rewind == 0) return;
  for (FrameIndex& frame : frames) frame.backward = rng.Bernoulli(options.rewind);
}

void RefuseUnseenRewind(const PretrainOptions& options, const EncoderSpec& spec) {
  if (options.rewind == 0 || spec.frame_stack > 1) return;
  ThrowUser(
      "pretrain.rewind={} with method={}: a single picture looks the same whichever way the film "
      "runs, and this method tells frames by their place in the film. Use encoder.frame_stack=2 or "
      "more, or rewind=0",
      options.rewind, options.method);
}

torch::Tensor Permutations(Rng& rng, int64_t count, int64_t n) {
  std::vector<torch::Tensor> rows;
  for (int64_t k = 0; k < count; ++k) rows.push_back(RandomPermutation(rng, n));
  return count > 0 ? torch::stack(rows) : torch::empty({0, n}, torch::kLong);
}

}  // namespace v2r
