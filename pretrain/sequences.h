// Batches whose samples are several frames of one clip.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "media/samplers.h"
#include "models/encoder.h"
#include "pretrain/options.h"

namespace v2r {

// Augmented pictures of frames that come sample after sample, `group` each: float [N,3S,H,W] in
// their order. With options.shared_augment a sample's frames share one draw (VIP's "rctraj", XIRL),
// so that augmentation moves none of them against another.
torch::Tensor SampleViews(const ClipSet& clips, std::span<const FrameIndex> frames, int64_t group,
                          const PretrainOptions& options, const EncoderSpec& spec, Rng& rng);

// Each frame is, with probability options.rewind, seen while the film runs backward; draws nothing
// at 0.
void TurnBack(std::vector<FrameIndex>& frames, const PretrainOptions& options, Rng& rng);
// UserError: options.rewind is above 0 and the encoder, which stacks no frames, would not see it.
void RefuseUnseenRewind(const PretrainOptions& options, const EncoderSpec& spec);

// int64 [count,n]: permutations of the samples, each of which may leave some where they are.
torch::Tensor Permutations(Rng& rng, int64_t count, int64_t n);

}  // namespace v2r
