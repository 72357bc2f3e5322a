#include "pretrain/dino.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "learn/ema.h"
#include "models/vit.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

constexpr int64_t kWatch = 50;        // batches
constexpr double kWatchShare = 0.01;  // of ln(out_dim)
constexpr char kWhat[] = "pretraining checkpoint";

DinoHeadSpec HeadSpecOf(const PretrainOptions& options, int64_t features) {
  return {.in_dim = features,
          .out_dim = options.out_dim,
          .layers = options.projection_layers,
          .hidden_dim = options.projection_hidden,
          .bottleneck_dim = options.projection_dim,
          .use_bn = options.use_bn_in_head,
          .norm_last_layer = options.norm_last_layer};
}

// The small views' side, after a look at whether the network takes it.
int64_t LocalSize(const PretrainOptions& options, const EncoderNetImpl& net) {
  const EncoderSpec& spec = net.spec();
  const int64_t size = options.local_crops_size > 0 ? options.local_crops_size : spec.input_size;
  if (options.local_crops_number == 0 || size == spec.input_size) return size;
  if (!net.any_size()) {
    ThrowUser(
        "pretrain.local_crops_size={}: encoder.arch={} with pooling={} and background={} takes "
        "pictures of {} pixels alone. Set local_crops_size=0, or encoder.pooling=avg (cls) and "
        "background=none",
        size, spec.arch, spec.pooling, spec.background, spec.input_size);
  }
  EncoderSpec small = spec;
  small.input_size = size;
  try {
    CheckSpec(small);
  } catch (const UserError& error) {
    ThrowUser("pretrain.local_crops_size={}: the encoder takes no picture of that size: {}", size,
              error.what());
  }
  return size;
}

AugmentOptions LocalAugment(const PretrainOptions& options) {
  const auto& scale = options.local_crops_scale;
  if (scale.size() != 2 || scale[0] <= 0 || scale[1] > 1 || scale[0] > scale[1]) {
    ThrowUser(
        "pretrain.local_crops_scale: two shares of the area, the smaller first, of (0, 1], e.g. "
        "[0.05, 0.4]");
  }
  AugmentOptions augment = options.augment;
  augment.crop = true;
  augment.crop_scale_min = scale[0];
  augment.crop_scale_max = scale[1];
  if (options.local_blur_p >= 0) augment.blur_p = options.local_blur_p;
  return augment;
}

torch::Tensor Through(torch::nn::BatchNorm1d& norm, DinoHead& head, const torch::Tensor& z) {
  return head->forward(norm.is_empty() ? z : norm->forward(z));
}

// Makes `norm`, as in eval mode, part of the linear layer before it.
void Fold(const torch::nn::BatchNorm1dImpl& norm, torch::nn::LinearImpl& linear) {
  const torch::NoGradGuard no_grad;
  const auto scale = torch::rsqrt(norm.running_var + norm.options.eps());
  linear.weight.mul_(scale.unsqueeze(1));
  linear.bias.sub_(norm.running_mean).mul_(scale);
}

}  // namespace

TargetWatch::TargetWatch(int64_t out_dim) : most_(std::log(static_cast<double>(out_dim))) {}

void TargetWatch::Add(double target_entropy, double mean_target_entropy) {
  entropy_ += target_entropy;
  mean_entropy_ += mean_target_entropy;
  if (++count_ < kWatch) return;
  const double entropy = entropy_ / kWatch, mean_entropy = mean_entropy_ / kWatch;
  count_ = 0;
  entropy_ = mean_entropy_ = 0;
  if (entropy > (1 - kWatchShare) * most_ && warned_uniform_ == 0) {
    warned_uniform_ = 1;
    LogWarn(
        "dino has collapsed to uniform targets: teacher entropy {:.4g} of at most ln(out_dim) = "
        "{:.4g} over {} batches. The loss stays there. A lower teacher_temp (0.02), a lower "
        "ema_momentum (0.99), a smaller out_dim, more varied clips or data_dependent_init=true "
        "help",
        entropy, most_, kWatch);
  }
  if (mean_entropy < kWatchShare * most_ && warned_one_ == 0) {
    warned_one_ = 1;
    LogWarn(
        "dino has collapsed to one output for all samples: entropy of the mean target {:.4g} of "
        "at most ln(out_dim) = {:.4g} over {} batches. A lower center_momentum (0.9), a higher "
        "teacher_temp or a smaller learning_rate help",
        mean_entropy, most_, kWatch);
  }
}

void TargetWatch::Save(StateDict& state) const {
  state["count"] = Blob::Scalar(count_);
  state["entropy"] = Blob::Scalar(entropy_);
  state["mean_entropy"] = Blob::Scalar(mean_entropy_);
  state["warned_uniform"] = Blob::Scalar(warned_uniform_);
  state["warned_one"] = Blob::Scalar(warned_one_);
}

void TargetWatch::Load(const StateDict& state) {
  count_ = RequireScalar<int64_t>(state, "count", kWhat);
  entropy_ = RequireScalar<double>(state, "entropy", kWhat);
  mean_entropy_ = RequireScalar<double>(state, "mean_entropy", kWhat);
  warned_uniform_ = RequireScalar<int64_t>(state, "warned_uniform", kWhat);
  warned_one_ = RequireScalar<int64_t>(state, "warned_one", kWhat);
}

Dino::Dino(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)),
      local_augment_(LocalAugment(options)),
      watch_(options.out_dim) {
  RefuseFrozenEncoder();
  local_size_ = LocalSize(options_, *net_);
  epoch_iterations_ = std::max<int64_t>(1, options_.epoch_iterations);
  const DinoHeadSpec spec = HeadSpecOf(options_, net_->output_dim());
  head_ = DinoHead(spec, rng);
  AddTrained("head", head_.ptr());
  const torch::Device device = net_->parameters().at(0).device();
  Rng unused(0);
  teacher_head_ = DinoHead(spec, unused);
  teacher_head_->to(device);
  CopyState(*teacher_head_, *head_);
  Freeze(*teacher_head_);
  if (options_.embedding_norm) {
    if (!net_->last_linear()) {
      ThrowUser(
          "pretrain.embedding_norm=true becomes part of the encoder's last linear layer, and "
          "encoder.embedding_dim is 0. Set embedding_dim, or embedding_norm=false");
    }
    for (auto* norm : {&norm_, &teacher_norm_}) {
      *norm =
          torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(net_->output_dim()).affine(false));
      (*norm)->to(device);
    }
  }
  teacher_ = MomentumNet(net_);
  if (const auto vit = std::dynamic_pointer_cast<VitImpl>(teacher_)) vit->SetDropPath(0);
  loss_ = DinoLoss(options_.out_dim, options_.temperature, options_.center_momentum,
                   options_.centering == "sinkhorn_knopp");
  loss_->to(device);
}

// The net is initialised to the data after it was handed over: its copy starts where it does.
void Dino::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  RequireDistinctFrames(clips, options_);
  CopyState(*teacher_, *net_);
  if (options_.epoch_iterations == 0) {
    epoch_iterations_ = std::max<int64_t>(1, clips.TotalFrames() / options_.batch_size);
  }
}

PretrainBatch Dino::Views(const ClipSet& clips, Rng& rng) const {
  const EncoderSpec& spec = net_->spec();
  const auto pairs = FramePairs(clips, options_, rng);
  PretrainBatch batch;
  batch.tensors["globals"] = TwoViews(clips, pairs, options_, spec, rng);
  const size_t half = pairs.size() / 2;
  std::vector<torch::Tensor> locals;
  for (int64_t i = 0; i < options_.local_crops_number; ++i) {
    const auto frames = std::span<const FrameIndex>(pairs).subspan(i % 2 * half, half);
    locals.push_back(AugmentedViews(clips, frames, local_augment_, spec, rng, local_size_));
  }
  if (!locals.empty()) batch.tensors["locals"] = torch::cat(locals);
  return batch;
}

torch::Tensor Dino::Embeddings(const PretrainBatch& batch) {
  const auto globals = Normalise(net_->spec(), batch.tensors.at("globals"));
  const auto found = batch.tensors.find("locals");
  if (found == batch.tensors.end()) return net_->forward(globals);
  const auto locals = Normalise(net_->spec(), found->second);
  if (locals.size(2) == globals.size(2)) return net_->forward(torch::cat({globals, locals}));
  return torch::cat({net_->forward(globals), net_->forward(locals)});
}

Pretrainer::StepResult Dino::Loss(const PretrainBatch& batch, int64_t step) {
  torch::Tensor targets;
  {
    const torch::NoGradGuard no_grad;
    const auto globals = Normalise(net_->spec(), batch.tensors.at("globals"));
    targets =
        Mixed([&] { return Through(teacher_norm_, teacher_head_, teacher_->forward(globals)); });
  }
  const double temperature =
      DinoTeacherTemperature(options_.warmup_teacher_temp, options_.teacher_temp,
                             options_.warmup_teacher_temp_epochs, Epoch(step));
  const auto student = Mixed([&] { return Through(norm_, head_, Embeddings(batch)); });
  const auto loss = loss_->forward(student, targets, temperature);
  const double entropy = loss_->target_entropy().item<double>();
  const double mean_entropy = loss_->mean_target_entropy().item<double>();
  watch_.Add(entropy, mean_entropy);
  return {loss,
          {{"pretrain/teacher_entropy", entropy},
           {"pretrain/mean_target_entropy", mean_entropy},
           {"pretrain/kl", loss.item<double>() - entropy},
           {"pretrain/teacher_temp", temperature}}};
}

void Dino::BeforeStep(int64_t step) {
  if (Epoch(step) < options_.freeze_last_layer) head_->CancelLastLayerGradients();
}

void Dino::AfterStep(int64_t step, int64_t /*total_steps*/) {
  loss_->UpdateCenter();
  const double momentum = EmaMomentum(options_, step);
  EmaUpdate(*teacher_, *net_, momentum);
  EmaUpdate(*teacher_head_, *head_, momentum);
}

EncoderNet Dino::encoder() {
  if (teacher_norm_.is_empty()) return teacher_;
  EncoderNet copy = MomentumNet(teacher_);
  Fold(*teacher_norm_, *copy->last_linear());
  return copy;
}

StateDict Dino::SaveState() const {
  StateDict state = Method::SaveState();
  Merge(state, "teacher", ToStateDict(ModuleState(*teacher_)));
  Merge(state, "teacher_head", ToStateDict(ModuleState(*teacher_head_)));
  Merge(state, "dino_loss", ToStateDict(ModuleState(*loss_)));
  if (!norm_.is_empty()) {
    Merge(state, "norm", ToStateDict(ModuleState(*norm_)));
    Merge(state, "teacher_norm", ToStateDict(ModuleState(*teacher_norm_)));
  }
  StateDict watch;
  watch_.Save(watch);
  Merge(state, "watch", std::move(watch));
  return state;
}

void Dino::LoadState(const StateDict& state) {
  Method::LoadState(state);
  const auto load = [&](torch::nn::Module& module, const std::string& name) {
    LoadModuleState(module, ToTensors(Under(state, name)), fmt::format("{}, {}", kWhat, name));
  };
  load(*teacher_, "teacher");
  load(*teacher_head_, "teacher_head");
  load(*loss_, "dino_loss");
  if (!norm_.is_empty()) {
    load(*norm_, "norm");
    load(*teacher_norm_, "teacher_norm");
  }
  watch_.Load(Under(state, "watch"));
}

}  // namespace v2r
