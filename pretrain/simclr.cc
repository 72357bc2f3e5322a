#include "pretrain/simclr.h"

#include <utility>

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
  RequireDistinctFrames(clips, options_);
}

PretrainBatch SimClr::Views(const ClipSet& clips, Rng& rng) const {
  return {{{"views", TwoViews(clips, options_, net_->spec(), rng)}}};
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
