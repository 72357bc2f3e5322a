#include "pretrain/tcn.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

constexpr int64_t kMaxGroup = 16;  // xirl: frames of one clip that are told apart (XIRL: 20)

void Append(std::vector<FrameIndex>& to, const std::vector<FrameIndex>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Tcn::Tcn(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  if (options_.tcn_loss == "triplet" && options_.negative_window < options_.positive_window) {
    ThrowUser(
        "pretrain.negative_window={} is smaller than positive_window={}: a frame would attract and "
        "repel the same neighbours. "
        "Make negative_window at least as large",
        options_.negative_window, options_.positive_window);
  }
}

void Tcn::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips);
  if (options_.tcn_loss == "triplet") return;
  // The largest divisor of the batch size that a clip can fill.
  int64_t longest = 0;
  for (const Clip& clip : clips.clips) longest = std::max(longest, clip.frames.size(0));
  group_ = std::min({kMaxGroup, options_.batch_size, longest});
  while (group_ > 1 && options_.batch_size % group_ != 0) --group_;
  if (group_ < 2) {
    ThrowUser(
        "pretrain.batch_size={}: tcn_loss=xirl tells groups of 2 to {} frames of one clip apart, "
        "and the batch cannot be split "
        "into such groups (the longest clip has {} frames). Use a multiple of 16 and clips of 16 "
        "frames or more",
        options_.batch_size, kMaxGroup, longest);
  }
}

PretrainBatch Tcn::Views(const ClipSet& clips, Rng& rng) const {
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
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)}}};
}

Pretrainer::StepResult Tcn::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = Embed(batch.tensors.at("views"));
  if (options_.tcn_loss == "xirl") {
    return {XirlTcnCrossEntropy(z.view({-1, 2 * group_, z.size(1)}), options_.temperature), {}};
  }
  const auto parts = z.chunk(3);
  const torch::Tensor loss = TcnTriplet(parts[0], parts[1], parts[2], options_.margin);
  const torch::NoGradGuard no_grad;
  const torch::Tensor near = (parts[0] - parts[1]).square().sum(1);
  const torch::Tensor far = (parts[0] - parts[2]).square().sum(1);
  return {loss, {{"pretrain/ordered", far.gt(near).to(torch::kFloat).mean().item<double>()}}};
}

}  // namespace v2r
