#include "pretrain/tcc.h"

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/torch_rng.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

// XIRL's logarithm of a factor on the embeddings (xirl/xirl/models.py).
struct LogitScale : torch::nn::Module {
  LogitScale() { value = register_parameter("logit_scale", torch::ones({})); }
  torch::Tensor value;
};

// Share of frames whose nearest neighbour in the next clip of z [B,T,D] has them as its own.
double CycleConsistency(const torch::Tensor& z) {
  const torch::NoGradGuard no_grad;
  const auto next = z.roll(-1, 0);
  const auto distances = torch::cdist(z, next, 2, /*compute_mode=*/2);  // by differences, [B,T,T]
  const auto there = distances.argmin(2);                               // [B,T]
  const auto back = distances.argmin(1).gather(1, there);
  const auto own = torch::arange(z.size(1), torch::TensorOptions(torch::kLong).device(z.device()));
  return back.eq(own).to(torch::kFloat).mean().item<double>();
}

}  // namespace

Tcc::Tcc(const PretrainOptions& options, EncoderNet net, Rng& /*rng*/)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  RefuseFrozenEncoder();
  const TccOptions& tcc = options_.tcc;
  spec_ = {.loss_type = tcc.loss_type,
           .similarity = tcc.similarity,
           .temperature = options_.temperature,
           .divide_by_dim = !tcc.normalize_embeddings,
           .label_smoothing = tcc.label_smoothing,
           .variance_lambda = tcc.variance_lambda,
           .huber_delta = tcc.huber_delta,
           .normalize_indices = tcc.normalize_indices};
  if (tcc.stochastic_matching && tcc.cycle_length > options_.batch_size) {
    ThrowUser(
        "pretrain.tcc.cycle_length={}: a cycle goes through that many clips of a batch, which has "
        "batch_size={}. Make it shorter or the batch larger",
        tcc.cycle_length, options_.batch_size);
  }
  if (!tcc.learnable_temp) return;
  const auto scale = std::make_shared<LogitScale>();
  AddTrained("scale", scale);
  logit_scale_ = scale->value;
}

void Tcc::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips, options_.clip_frames, "tcc (clip_frames)", 2);
}

PretrainBatch Tcc::Views(const ClipSet& clips, Rng& rng) const {
  const int64_t batch = options_.batch_size, length = options_.clip_frames;
  auto frames = sampler_->Clips(rng, batch, length);
  std::vector<int64_t> times, lengths;
  for (size_t i = 0; i < frames.size(); ++i) {
    times.push_back(frames[i].frame);
    if (i % static_cast<size_t>(length) == 0) lengths.push_back(sampler_->LengthOf(frames[i].clip));
  }
  PretrainBatch result{{{"times", torch::tensor(times, torch::kLong).view({batch, length})},
                        {"lengths", torch::tensor(lengths, torch::kLong)}}};
  if (options_.tcc.stochastic_matching) {
    const int64_t cycles = options_.tcc.num_cycles > 0 ? options_.tcc.num_cycles : batch * length;
    const auto order = Permutations(rng, cycles, batch).slice(1, 0, options_.tcc.cycle_length);
    result.tensors["cycles"] = torch::cat({order, order.slice(1, 0, 1)}, 1);
    std::vector<int64_t> query(static_cast<size_t>(cycles));
    for (int64_t& frame : query) {
      frame = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(length)));
    }
    result.tensors["query"] = torch::tensor(query, torch::kLong);
  }
  TurnBack(frames, options_, rng);
  result.tensors["views"] = SampleViews(clips, frames, length, options_, net_->spec(), rng);
  return result;
}

Pretrainer::StepResult Tcc::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  torch::Tensor z = Embed(batch.tensors.at("views"));
  if (options_.tcc.normalize_embeddings) {
    z = z / (torch::linalg_vector_norm(z, 2, {1}, /*keepdim=*/true) + 1e-7);
  }
  if (logit_scale_.defined()) z = logit_scale_.exp() * z;
  z = z.view({-1, options_.clip_frames, z.size(1)});
  const auto &times = batch.tensors.at("times"), &lengths = batch.tensors.at("lengths");
  const torch::Tensor loss = options_.tcc.stochastic_matching
                                 ? TccStochasticLoss(z, times, lengths, batch.tensors.at("cycles"),
                                                     batch.tensors.at("query"), spec_)
                                 : TccLoss(z, times, lengths, spec_);
  return {loss, {{"pretrain/cycle_consistency", CycleConsistency(z.detach())}}};
}

std::string Tcc::metric() const {
  return options_.tcc.normalize_embeddings || spec_.similarity == "cosine" ? "cosine" : "l2";
}

}  // namespace v2r
