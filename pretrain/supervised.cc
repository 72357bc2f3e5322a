#include "pretrain/supervised.h"

#include <cmath>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "learn/linear_probe.h"
#include "learn/mixup.h"
#include "pretrain/heads.h"
#include "pretrain/layers.h"
#include "pretrain/monitor.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

// The head "projection" of the file that training starts from; null when none is asked for.
Head ProjectionOf(const PretrainOptions& options) {
  const int64_t layers = options.supervised.ft_proj_selector;
  if (layers == 0) return nullptr;
  const std::string key = fmt::format("pretrain.supervised.ft_proj_selector={}", layers);
  if (options.init_from.empty()) {
    ThrowUser("{} takes layers of a projection head: set pretrain.init_from", key);
  }
  const auto heads = LoadEncoderFile(options.init_from).heads;
  const auto found = heads.find("projection");
  if (found == heads.end()) {
    ThrowUser("{}: {} has no head 'projection': method=simclr writes one", key, options.init_from);
  }
  const auto hidden = static_cast<int64_t>(found->second->spec().hidden.size());
  if (layers > hidden) {
    ThrowUser("{}: the projection head of {} has {} hidden layer{}", key, options.init_from, hidden,
              hidden == 1 ? "" : "s");
  }
  return found->second;
}

}  // namespace

Supervised::Supervised(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)),
      head_rng_(rng.NextU64()),
      projection_(ProjectionOf(options)) {
  if ((own().mixup > 0 || own().cutmix > 0) && options_.batch_size % 2 != 0) {
    ThrowUser("pretrain.batch_size={}: mixup and cutmix pair the pictures: take an even number",
              options_.batch_size);
  }
  const int64_t last = LastLayer(*net_);
  if (own().fine_tune_after_block >= last) {
    ThrowUser(
        "pretrain.supervised.fine_tune_after_block={}: the last block of {} is {}. To train the "
        "classifier alone, set freeze_encoder=true",
        own().fine_tune_after_block, net_->spec().arch, last - 1);
  }
  FreezeLayers(*net_, own().fine_tune_after_block);
  for (const auto& item : net_->named_parameters()) {
    const int64_t after = last - LayerOf(*net_, item.key());
    scales_[item.value().unsafeGetTensorImpl()] =
        std::pow(own().layer_decay, static_cast<double>(after));
  }
}

void Supervised::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  const Rng rng = Rng(static_cast<uint64_t>(options_.seed)).Fork("labels");
  Learn(PickLabels(clips, own().label_fraction, rng, options_.method), demos);
  LogInfo("{} labelled pictures of {} classes", labels_.size(), labels_.classes);
}

void Supervised::Learn(Labels labels, const torch::Tensor& demos) {
  labels_ = std::move(labels);
  V2R_CHECK(labels_.size() > 0 && labels_.classes > 1, "{} pictures of {} classes", labels_.size(),
            labels_.classes);
  Rng rng = head_rng_;
  HeadSpec spec{.in_dim = net_->output_dim(), .out_dim = labels_.classes};
  Head start;
  if (projection_) {
    start = StartOfHead(*projection_, own().ft_proj_selector, labels_.classes, rng);
    spec = start->spec();
  }
  classifier_ = AddHead("classifier", spec, rng);
  if (start) LoadModuleState(*classifier_, ModuleState(*start), "classifier");
  InitLastLayer(*classifier_, own().head_init_std, rng);
  if (options_.freeze_encoder && !start) classifier_->SetStandardisation(Embed(demos));
}

PretrainBatch Supervised::Views(const ClipSet& clips, Rng& rng) const {
  const int64_t count = options_.batch_size;
  std::vector<FrameIndex> frames;
  std::vector<int64_t> targets;
  for (const int64_t position : DrawPositions(labels_.size(), count, rng)) {
    frames.push_back(labels_.frames[position]);
    targets.push_back(labels_.targets[position]);
  }
  torch::Tensor views = AugmentedViews(clips, frames, options_.augment, net_->spec(), rng);
  std::vector<Mix> mixes(static_cast<size_t>(count));
  if (own().mixup > 0 || own().cutmix > 0) {
    const MixSpec spec{own().mixup, own().cutmix, own().mixup_prob, own().mixup_switch_prob,
                       own().mixup_mode};
    mixes = DrawMixes(spec, count, views.size(2), views.size(3), rng);
    views = MixPictures(views, mixes);
  }
  const auto y = torch::tensor(targets, torch::kInt64);
  return {{{"views", views}, {"targets", MixTargets(y, labels_.classes, mixes, own().smoothing)}}};
}

Pretrainer::StepResult Supervised::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  if (!options_.freeze_encoder) FreezeModes(*net_, own().fine_tune_after_block);
  const auto logits = classifier_->forward(Embed(batch.tensors.at("views")));
  const torch::Tensor& targets = batch.tensors.at("targets");
  const auto right = logits.detach().argmax(1).eq(targets.argmax(1)).to(torch::kFloat);
  return {SoftTargetCrossEntropy(logits, targets),
          {{"pretrain/train_acc", right.mean().item<double>()}}};
}

std::vector<torch::Tensor> Supervised::Parameters() {
  std::vector<torch::Tensor> trained = Method::Parameters();
  std::erase_if(trained, [](const torch::Tensor& parameter) { return !parameter.requires_grad(); });
  return trained;
}

double Supervised::LearningRateScale(const torch::Tensor& parameter) const {
  const auto found = scales_.find(parameter.unsafeGetTensorImpl());
  return found == scales_.end() ? 1 : found->second;
}

Metrics Supervised::Validate(const torch::Tensor& x, const torch::Tensor& targets) {
  return {{"pretrain/val_acc", HeadAccuracy(*net_, *classifier_, x, targets) / 100}};
}

std::string Supervised::metric() const {
  return options_.freeze_encoder ? net_->spec().metric : "cosine";
}

}  // namespace v2r
