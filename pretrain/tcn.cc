#include "pretrain/tcn.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

// xirl, npairs: frames of one clip that are told apart (XIRL: 20).
constexpr int64_t kMaxGroup = 16;

void Append(std::vector<FrameIndex>& to, const std::vector<FrameIndex>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Tcn::Tcn(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  RefuseFrozenEncoder();
  if (!InGroups() && options_.negative_window < options_.positive_window) {
    ThrowUser(
        "pretrain.negative_window={} is smaller than positive_window={}: a frame would attract and "
        "repel the same neighbours. "
        "Make negative_window at least as large",
        options_.negative_window, options_.positive_window);
  }
  const int64_t least = 2 * options_.negative_window + 2;
  if (options_.tcn_loss == "xirl_hinge" && options_.clip_frames < least) {
    ThrowUser(
        "pretrain.clip_frames={}: with negative_window={} the middle frames of such a window have "
        "no negative. Use clip_frames={} or more, or a smaller negative_window",
        options_.clip_frames, options_.negative_window, least);
  }
}

void Tcn::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips);
  if (InGroups()) FindGroup(clips);
}

void Tcn::FindGroup(const ClipSet& clips) {
  // The largest divisor of the batch size that a clip can fill.
  int64_t longest = 0;
  for (const Clip& clip : clips.clips) longest = std::max(longest, clip.frames.size(0));
  group_ = std::min({kMaxGroup, options_.batch_size, longest});
  while (group_ > 1 && options_.batch_size % group_ != 0) --group_;
  if (group_ < 2) {
    ThrowUser(
        "pretrain.batch_size={}: tcn_loss={} tells groups of 2 to {} frames of one clip apart, "
        "and the batch cannot be split "
        "into such groups (the longest clip has {} frames). Use a multiple of 16 and clips of 16 "
        "frames or more",
        options_.batch_size, options_.tcn_loss, kMaxGroup, longest);
  }
}

PretrainBatch Tcn::Views(const ClipSet& clips, Rng& rng) const {
  if (options_.tcn_loss == "xirl_hinge") return Windows(clips, rng);
  std::vector<FrameIndex> frames;
  if (options_.tcn_loss == "triplet") {
    const auto triplets = sampler_->TripletTcn(rng, options_.batch_size, options_.positive_window,
                                               options_.negative_window);
    Append(frames, Select(triplets, &FrameTriplet::anchor));
    Append(frames, Select(triplets, &FrameTriplet::positive));
    Append(frames, Select(triplets, &FrameTriplet::negative));
  } else {
    for (int64_t g = 0; g < options_.batch_size / group_; ++g) {
      const auto anchors = sampler_->Spread(rng, group_);
      for (const FrameIndex& anchor : anchors) {
        frames.push_back(NearbyFrame(clips, anchor, options_.positive_window, rng));
      }
      Append(frames, anchors);
    }
  }
  TurnBack(frames, options_, rng);
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)}}};
}

PretrainBatch Tcn::Windows(const ClipSet& clips, Rng& rng) const {
  const int64_t batch = options_.batch_size, length = options_.clip_frames;
  const int64_t near = options_.positive_window, far = options_.negative_window;
  std::vector<FrameIndex> frames;
  std::vector<int64_t> positives, negatives;
  for (int64_t b = 0; b < batch; ++b) {
    Append(frames, sampler_->Window(rng, length));
    for (int64_t t = 0; t < length; ++t) {
      const int64_t before = std::max<int64_t>(0, t - far);              // negatives 0 .. before-1
      const int64_t after = std::max<int64_t>(0, length - 1 - t - far);  // the last `after` frames
      for (int64_t p = 0; p < options_.num_pairs; ++p) {
        const int64_t positive = t + (rng.Bernoulli(0.5) ? near : -near);
        positives.push_back(std::clamp<int64_t>(positive, 0, length - 1));
        const auto drawn = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(before + after)));
        negatives.push_back(drawn < before ? drawn : drawn + length - after - before);
      }
    }
  }
  const auto indices = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kLong).view({batch, length, options_.num_pairs});
  };
  TurnBack(frames, options_, rng);
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)},
           {"positives", indices(positives)},
           {"negatives", indices(negatives)}}};
}

Pretrainer::StepResult Tcn::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  torch::Tensor z = Embed(batch.tensors.at("views"));
  if (options_.embedding_length > 0) z = L2Normalize(z) * options_.embedding_length;
  if (options_.tcn_loss == "xirl_hinge") {
    return {XirlTcn(z.view({-1, options_.clip_frames, z.size(1)}), batch.tensors.at("positives"),
                    batch.tensors.at("negatives"), options_.temperature, options_.margin),
            {}};
  }
  if (options_.tcn_loss == "xirl") {
    return {XirlTcnCrossEntropy(z.view({-1, 2 * group_, z.size(1)}), options_.temperature), {}};
  }
  if (options_.tcn_loss == "npairs") {
    std::vector<torch::Tensor> losses;
    for (const torch::Tensor& rows : z.split(2 * group_)) {
      losses.push_back(
          NPairs(rows.slice(0, group_), rows.slice(0, 0, group_), options_.reg_lambda));
    }
    return {torch::stack(losses).mean(), {}};
  }
  const auto parts = z.chunk(3);
  const torch::Tensor loss = TcnTriplet(parts[0], parts[1], parts[2], options_.margin);
  const torch::NoGradGuard no_grad;
  const torch::Tensor near = (parts[0] - parts[1]).square().sum(1);
  const torch::Tensor far = (parts[0] - parts[2]).square().sum(1);
  return {loss, {{"pretrain/ordered", far.gt(near).to(torch::kFloat).mean().item<double>()}}};
}

}  // namespace v2r
