#include "pretrain/ranking.h"

#include <utility>

#include "core/error.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"
#include "pretrain/sequences.h"

namespace v2r {

Ranking::Ranking(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  for (const int64_t width : options_.rank_hidden) {
    if (width < 1) ThrowUser("pretrain.rank_hidden: layer widths must be >= 1, got {}", width);
  }
  rank_ = AddHead(
      "rank", {.in_dim = net_->output_dim(), .hidden = options_.rank_hidden, .out_dim = 1}, rng);
}

void Ranking::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  sampler_.emplace(clips);
  if (options_.freeze_encoder) rank_->SetStandardisation(Embed(demos));
}

PretrainBatch Ranking::Views(const ClipSet& clips, Rng& rng) const {
  const auto pairs = sampler_->OrderedPairs(rng, options_.batch_size);
  auto frames = Select(pairs, &FramePair::first);
  const auto later = Select(pairs, &FramePair::second);
  frames.insert(frames.end(), later.begin(), later.end());
  TurnBack(frames, options_, rng);
  return {{{"views", AugmentedViews(clips, frames, options_.augment, net_->spec(), rng)}}};
}

Pretrainer::StepResult Ranking::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor utility = rank_->forward(Embed(batch.tensors.at("views"))).squeeze(-1);
  const auto halves = utility.chunk(2);
  const torch::Tensor loss = RankingLoss(halves[0], halves[1], options_.rank_regulariser);
  const double ordered = halves[1].gt(halves[0]).to(torch::kFloat).mean().item<double>();
  return {loss, {{"pretrain/ordered", ordered}}};
}

std::string Ranking::metric() const { return options_.freeze_encoder ? net_->spec().metric : "l2"; }

}  // namespace v2r
