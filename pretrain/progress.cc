#include "pretrain/progress.h"

#include <utility>
#include <vector>

#include "core/error.h"
#include "learn/progress.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

constexpr int64_t kFrames = 3;  // of a sample

}  // namespace

Progress::Progress(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  for (const int64_t width : options_.progress.hidden) {
    if (width < 1) ThrowUser("pretrain.progress.hidden: layer widths must be >= 1, got {}", width);
  }
  head_ = AddHead(
      "progress",
      {.in_dim = kFrames * net_->output_dim(), .hidden = options_.progress.hidden, .out_dim = 2},
      rng);
}

void Progress::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  sampler_.emplace(clips, 2, "progress");
  if (options_.freeze_encoder) head_->SetStandardisation(Embed(demos).repeat({1, kFrames}));
}

PretrainBatch Progress::Views(const ClipSet& clips, Rng& rng) const {
  std::vector<FrameIndex> frames;
  std::vector<float> label, steps;
  const bool whole = options_.progress.whole_clips;
  for (const Stretch& stretch : sampler_->Stretches(rng, options_.batch_size, whole)) {
    frames.insert(frames.end(), {stretch.start, stretch.now, stretch.goal});
    const auto done = static_cast<float>(stretch.now.frame - stretch.start.frame);
    const auto all = static_cast<float>(stretch.goal.frame - stretch.start.frame);
    label.push_back(options_.progress.normalize ? done / all : done);
    steps.push_back(options_.progress.normalize ? all : 1);
  }
  TurnBack(frames, options_, rng);
  return {{{"views", SampleViews(clips, frames, kFrames, options_, net_->spec(), rng)},
           {"label", torch::tensor(label)},
           {"steps", torch::tensor(steps)}}};
}

Pretrainer::StepResult Progress::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = Embed(batch.tensors.at("views")).view({-1, kFrames * net_->output_dim()});
  const auto out = Mixed([&] { return head_->forward(z); }).unbind(1);
  const torch::Tensor& label = batch.tensors.at("label");
  const torch::Tensor loss = ProgressLoss(out[0], out[1], label, batch.tensors.at("steps")).mean();
  const double error = (out[0].detach() - label).abs().mean().item<double>();
  return {loss, {{"pretrain/progress_error", error}}};
}

std::string Progress::metric() const {
  return options_.freeze_encoder ? net_->spec().metric : "l2";
}

}  // namespace v2r
