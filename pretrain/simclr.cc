#include "pretrain/simclr.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "learn/ema.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

void RequireRoomInMemory(const PretrainOptions& options) {
  const int64_t rows = 2 * options.batch_size;
  if (options.memory_size % rows == 0) return;
  ThrowUser(
      "pretrain.memory_size={}: has to be a multiple of the {} rows of a batch (twice "
      "batch_size={}), e.g. {}",
      options.memory_size, rows, options.batch_size,
      std::max<int64_t>(1, options.memory_size / rows) * rows);
}

}  // namespace

SimClr::SimClr(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  const ProjectionHeadSpec spec{.in_dim = net_->output_dim(),
                                .hidden_dim = options_.projection_hidden,
                                .out_dim = options_.projection_dim,
                                .layers = options_.projection_layers};
  projection_ = std::make_shared<ProjectionHeadImpl>(spec, rng);
  AddTrained("projection", projection_);
  if (options_.memory_size == 0) return;
  RequireRoomInMemory(options_);
  const torch::Device device = net_->parameters().at(0).device();
  Rng unused(0);
  memory_projection_ = std::make_shared<ProjectionHeadImpl>(spec, unused);
  memory_projection_->to(device);
  CopyState(*memory_projection_, *projection_);
  Freeze(*memory_projection_);
  memory_net_ = MomentumNet(net_);
  memory_ = KeyQueue(options_.projection_dim, options_.memory_size, rng);
  memory_->to(device);
}

// The net is initialised to the data after it was handed over: its copy starts where it does.
void SimClr::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  RequireDistinctFrames(clips, options_);
  if (memory_net_) CopyState(*memory_net_, *net_);
}

PretrainBatch SimClr::Views(const ClipSet& clips, Rng& rng) const {
  return {{{"views", TwoViews(clips, options_, net_->spec(), rng)}}};
}

Pretrainer::StepResult SimClr::Loss(const PretrainBatch& batch, int64_t step) {
  const torch::Tensor& views = batch.tensors.at("views");
  const torch::Tensor z = L2Normalize(Mixed([&] { return projection_->forward(Embed(views)); }));
  const auto halves = z.chunk(2);
  // What they are compared with.
  std::vector<torch::Tensor> others = halves;
  torch::Tensor memory;
  if (memory_net_) {
    const torch::NoGradGuard no_grad;
    if (Part(step) == 0) {
      const double momentum = EmaMomentum(options_, step);
      EmaUpdate(*memory_net_, *net_, momentum);
      EmaUpdate(*memory_projection_, *projection_, momentum);
    }
    const torch::Tensor input = Normalise(net_->spec(), views);
    rows_.push_back(L2Normalize(
        Mixed([&] { return memory_projection_->forward(memory_net_->forward(input)); })));
    others = rows_.back().chunk(2);
    memory = memory_->Rows();
  }
  const torch::Tensor loss =
      NtXentGathered(halves[0], halves[1], others[0], others[1], /*offset=*/0, options_.temperature,
                     options_.ntxent_scaling, memory);
  const torch::Tensor similarity = halves[0].detach().matmul(others[1].detach().t());
  const torch::Tensor target = torch::arange(similarity.size(0), similarity.device());
  const double top1 = similarity.argmax(1).eq(target).to(torch::kFloat).mean().item<double>();
  return {loss, {{"pretrain/contrast_acc", top1}}};
}

void SimClr::AfterStep(int64_t /*step*/, int64_t /*total_steps*/) {
  for (const auto& rows : rows_) memory_->Enqueue(rows);
  rows_.clear();
}

StateDict SimClr::SaveState() const {
  StateDict state = Method::SaveState();
  if (!memory_net_) return state;
  Merge(state, "memory_net", ToStateDict(ModuleState(*memory_net_)));
  Merge(state, "memory_projection", ToStateDict(ModuleState(*memory_projection_)));
  Merge(state, "memory", ToStateDict(ModuleState(*memory_)));
  return state;
}

void SimClr::LoadState(const StateDict& state) {
  Method::LoadState(state);
  if (!memory_net_) return;
  const auto load = [&](torch::nn::Module& module, const std::string& name) {
    LoadModuleState(module, ToTensors(Under(state, name)), "pretraining checkpoint, " + name);
  };
  load(*memory_net_, "memory_net");
  load(*memory_projection_, "memory_projection");
  load(*memory_, "memory");
}

}  // namespace v2r
