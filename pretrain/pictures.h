// The pictures of a batch: drawn frames (with the frames before them when the encoder stacks),
// augmented.
#pragma once

#include <torch/torch.h>

#include <span>
#include <vector>

#include "core/rng.h"
#include "media/augment.h"
#include "media/clips.h"
#include "media/samplers.h"
#include "models/encoder.h"
#include "pretrain/options.h"

namespace v2r {

// The drawn pictures as they are, what the encoder sees later: float [B,3S,H,W] in [0,1], each with
// the S-1 frames before it, oldest first, S = spec.frame_stack; before a clip's start its first
// frame is repeated. Of a frame seen backward they are those after it, the farthest first. Runs on the calling thread alone.
torch::Tensor PlainViews(const ClipSet& clips, std::span<const FrameIndex> frames,
                         const EncoderSpec& spec);
// The same, each augmented on its own (the frames of one stack alike). size: height and width that
// come out, 0 = spec.input_size.
torch::Tensor AugmentedViews(const ClipSet& clips, std::span<const FrameIndex> frames,
                             const AugmentOptions& augment, const EncoderSpec& spec, Rng& rng,
                             int64_t size = 0);

// batch_size different frames, then for each a frame from up to temporal_window steps before or
// after.
std::vector<FrameIndex> FramePairs(const ClipSet& clips, const PretrainOptions& options, Rng& rng);
// An augmented view of each of them: float [2B,3S,H,W] in their order. second_blur_p and
// second_solarize_p hold for the second half alone.
torch::Tensor TwoViews(const ClipSet& clips, std::span<const FrameIndex> pairs,
                       const PretrainOptions& options, const EncoderSpec& spec, Rng& rng);
// Both: the views of fresh pairs.
torch::Tensor TwoViews(const ClipSet& clips, const PretrainOptions& options,
                       const EncoderSpec& spec, Rng& rng);
// UserError unless the clips have as many different frames as a batch takes.
void RequireDistinctFrames(const ClipSet& clips, const PretrainOptions& options);

// `count` frames (or all there are), evenly spaced over the clips in order.
std::vector<FrameIndex> SpreadFrames(const ClipSet& clips, int64_t count);
// `count` different frames, uniform over all; the clips have at least as many.
std::vector<FrameIndex> DistinctFrames(const ClipSet& clips, int64_t count, Rng& rng);
// A frame of the same clip other than `frame`, at most `window` steps away, uniform over those that
// exist. The clip has two frames.
FrameIndex NearbyFrame(const ClipSet& clips, FrameIndex frame, int64_t window, Rng& rng);

}  // namespace v2r
