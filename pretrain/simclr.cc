#include "pretrain/simclr.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"

namespace v2r {

SimClr::SimClr(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  const ProjectionHeadSpec spec{.in_dim = net_->output_dim(),
                                .hidden_dim = options_.projection_hidden,
                                .out_dim = options_.projection_dim,
                                .layers = options_.projection_layers};
  projection_ = std::make_shared<ProjectionHeadImpl>(spec, rng);
  AddTrained("projection", projection_);
}

void SimClr::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  const int64_t frames = clips.TotalFrames();
  if (frames < options_.batch_size) {
    ThrowUser(
        "pretrain.batch_size={}: simclr needs as many different frames, the clips have {}. Use a "
        "smaller batch or more clips",
        options_.batch_size, frames);
  }
}

PretrainBatch SimClr::Views(const ClipSet& clips, Rng& rng) const {
  const int64_t window = options_.temporal_window;
  std::vector<FrameIndex> frames = DistinctFrames(clips, options_.batch_size, rng);
  frames.reserve(2 * frames.size());
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const FrameIndex anchor = frames[i];
    const int64_t end = clips.clips[anchor.clip].frames.size(0) - 1;
    const int64_t first = std::max<int64_t>(0, anchor.frame - window);
    const int64_t last = std::min(end, anchor.frame + window);
    frames.push_back({anchor.clip, first + static_cast<int64_t>(rng.Below(last - first + 1))});
  }
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)}}};
}

Pretrainer::StepResult SimClr::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor z = L2Normalize(projection_->forward(Embed(batch.tensors.at("views"))));
  const auto halves = z.chunk(2);
  const torch::Tensor loss = NtXent(halves[0], halves[1], options_.temperature,
                                    options_.ntxent_scaling, /*normalize=*/false);
  const torch::Tensor similarity = halves[0].detach().matmul(halves[1].detach().t());
  const torch::Tensor target = torch::arange(similarity.size(0), similarity.device());
  const double top1 = similarity.argmax(1).eq(target).to(torch::kFloat).mean().item<double>();
  return {loss, {{"pretrain/contrast_acc", top1}}};
}

}  // namespace v2r
