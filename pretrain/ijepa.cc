#include "pretrain/ijepa.h"

#include <array>
#include <utility>

#include "core/error.h"
#include "learn/ema.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

std::array<double, 2> Range(const char* key, const std::vector<double>& values, double most) {
  if (values.size() == 2 && values[0] > 0 && values[0] <= values[1] && values[1] <= most) {
    return {values[0], values[1]};
  }
  ThrowUser("pretrain.ijepa.{}: [{}] is no range [least, largest] within (0, {}]", key,
            fmt::join(values, ", "), most);
}

// Every size that a draw can give is tried before the training begins.
void RequireBlocks(const BlockMaskSpec& spec) {
  constexpr int kSizes = 1000;
  for (int k = 0; k <= kSizes; ++k) {
    const double draw = static_cast<double>(k) / kSizes;
    SampleBlockMasks(spec, 1, {[&] { return draw; }, [](int64_t) { return 0; }});
  }
}

}  // namespace

IjepaStep IjepaForward(VitImpl& encoder, VitImpl& target_encoder, IjepaPredictor predictor,
                       const torch::Tensor& pictures, const BlockMasks& masks) {
  IjepaStep step;
  const int64_t batch = pictures.size(0);
  {
    const torch::NoGradGuard no_grad;
    auto all = target_encoder.Blocks(target_encoder.Tokens(pictures));
    all = torch::layer_norm(all.to(torch::kFloat), {all.size(2)});
    step.target =
        RepeatInterleaveBatch(ApplyMasks(all, masks.targets), batch, masks.context.size(0));
  }
  step.context = encoder.Blocks(ApplyMasks(encoder.Tokens(pictures), masks.context));
  step.prediction =
      predictor->forward(step.context, masks.context, masks.targets).to(torch::kFloat);
  step.loss = torch::smooth_l1_loss(step.prediction, step.target);
  return step;
}

Ijepa::Ijepa(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)), vit_(std::dynamic_pointer_cast<VitImpl>(net_)) {
  RefuseFrozenEncoder();
  const EncoderSpec& spec = net_->spec();
  if (!vit_ || spec.stem != "patch" || spec.cls_token || spec.registers > 0) {
    ThrowUser(
        "pretrain.method=ijepa leaves patches out and has no token of its own: it needs a "
        "transformer (encoder.arch=vit_micro, vit_tiny, ...) with stem=patch cls_token=false "
        "registers=0 pooling=avg, not arch={} stem={} cls_token={} registers={}",
        spec.arch, spec.stem, spec.cls_token, spec.registers);
  }
  const IjepaOptions& o = options_.ijepa;
  const int64_t side = spec.input_size / spec.patch_size;
  masks_ = {.rows = side,
            .cols = side,
            .pred_scale = Range("pred_mask_scale", o.pred_mask_scale, 1),
            .enc_scale = Range("enc_mask_scale", o.enc_mask_scale, 1),
            .aspect_ratio = Range("aspect_ratio", o.aspect_ratio, 10),
            .context_blocks = o.num_enc_masks,
            .target_blocks = o.num_pred_masks,
            .min_keep = o.min_keep,
            .allow_overlap = o.allow_overlap};
  RequireBlocks(masks_);
  const int64_t heads = o.pred_heads > 0 ? o.pred_heads : vit_->shape().heads;
  if (o.pred_emb_dim % heads != 0 || o.pred_emb_dim % 4 != 0) {
    ThrowUser("pretrain.ijepa.pred_emb_dim={} must be a multiple of the {} heads and of 4",
              o.pred_emb_dim, heads);
  }
  predictor_ = IjepaPredictor(IjepaPredictorSpec{.in_dim = vit_->shape().dim,
                                                 .dim = o.pred_emb_dim,
                                                 .depth = o.pred_depth,
                                                 .heads = heads,
                                                 .rows = side,
                                                 .cols = side},
                              rng);
  AddTrained("predictor", predictor_.ptr());
  target_net_ = std::dynamic_pointer_cast<VitImpl>(MomentumNet(net_));
  target_net_->SetDropPath(0);
}

// The net is initialised to the data after it was handed over: its copy starts where it does.
void Ijepa::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  RequireDistinctFrames(clips, options_);
  demos_ = Normalise(net_->spec(), demos);
  CopyState(*target_net_, *net_);
}

PretrainBatch Ijepa::Views(const ClipSet& clips, Rng& rng) const {
  const auto frames = DistinctFrames(clips, options_.batch_size, rng);
  const auto views = AugmentedViews(clips, frames, options_.augment, net_->spec(), rng);
  const BlockMasks masks = SampleBlockMasks(masks_, options_.batch_size, rng);
  return {{{"views", views}, {"context", masks.context}, {"targets", masks.targets}}};
}

Pretrainer::StepResult Ijepa::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const auto pictures = Normalise(net_->spec(), batch.tensors.at("views"));
  const BlockMasks masks = {batch.tensors.at("context"), batch.tensors.at("targets")};
  const auto loss =
      Mixed([&] { return IjepaForward(*vit_, *target_net_, predictor_, pictures, masks).loss; });
  return {loss, {}};
}

void Ijepa::AfterStep(int64_t step, int64_t total_steps) {
  EmaUpdate(*target_net_, *net_, EmaMomentum(options_, step));
  if (step + 1 < total_steps || !options_.data_dependent_init || !net_->last_linear()) return;
  target_net_->eval();
  DataDependentInit(*target_net_, demos_);
  target_net_->train();
}

std::vector<torch::Tensor> Ijepa::Parameters() { return ParametersButLast(); }

StateDict Ijepa::SaveState() const {
  StateDict state = Method::SaveState();
  Merge(state, "target_net", ToStateDict(ModuleState(*target_net_)));
  return state;
}

void Ijepa::LoadState(const StateDict& state) {
  Method::LoadState(state);
  LoadModuleState(*target_net_, ToTensors(Under(state, "target_net")),
                  "pretraining checkpoint, target_net");
}

}  // namespace v2r
