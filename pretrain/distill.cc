#include "pretrain/distill.h"

#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "learn/ema.h"
#include "learn/losses.h"
#include "pretrain/heads.h"
#include "pretrain/labels.h"
#include "pretrain/monitor.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

EncoderFile LoadTeacher(const std::string& path) {
  if (path.empty()) {
    ThrowUser(
        "pretrain.distill.teacher: say which encoder file is the teacher; method=supervised writes "
        "one with a classifier");
  }
  EncoderFile file = LoadEncoderFile(path);
  if (file.heads.contains("classifier")) return file;
  std::vector<std::string> names;
  for (const auto& [name, head] : file.heads) names.push_back(name);
  ThrowUser("pretrain.distill.teacher={}: the file has no head 'classifier' (its heads: {})", path,
            names.empty() ? "none" : Join(names, ", "));
}

}  // namespace

Distill::Distill(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)), teacher_(LoadTeacher(options.distill.teacher)) {
  const EncoderSpec& spec = teacher_.net->spec();
  if (spec.frame_stack != net_->spec().frame_stack) {
    ThrowUser("pretrain.distill.teacher={}: it takes stacks of {} pictures, the student of {}",
              options_.distill.teacher, spec.frame_stack, net_->spec().frame_stack);
  }
  teacher_head_ = teacher_.heads.at("classifier");
  const torch::Device device = net_->parameters().at(0).device();
  const std::vector<std::shared_ptr<torch::nn::Module>> modules = {teacher_.net, teacher_head_};
  for (const auto& module : modules) {
    module->to(device);
    module->eval();
    Freeze(*module);
  }
  classifier_ = AddHead(
      "classifier", {.in_dim = net_->output_dim(), .out_dim = teacher_head_->spec().out_dim}, rng);
  InitLastLayer(*classifier_, options_.supervised.head_init_std, rng);
}

void Distill::Prepare(const ClipSet& clips, const torch::Tensor& demos) {
  RequireDistinctFrames(clips, options_);
  if (options_.freeze_encoder) classifier_->SetStandardisation(Embed(demos));
  const int64_t known = teacher_head_->spec().out_dim;
  const auto classes = static_cast<int64_t>(clips.classes.size());
  const auto names = teacher_.info.find("classes");
  const bool same_names =
      names == teacher_.info.end() || names->second == Join(clips.classes, ", ");
  if (classes > 0 && (classes != known || !same_names)) {
    ThrowUser("pretrain.distill.teacher={}: it tells {} classes ({}), the data name {} ({})",
              options_.distill.teacher, known,
              names == teacher_.info.end() ? "no names" : names->second, classes,
              Join(clips.classes, ", "));
  }
  if (options_.distill.alpha == 1) return;
  const Rng rng = Rng(static_cast<uint64_t>(options_.seed)).Fork("labels");
  labelled_.assign(clips.clips.size(), false);
  const double fraction = options_.supervised.label_fraction;
  for (const FrameIndex& frame :
       PickLabels(clips, fraction, rng, options_.method + " with distill.alpha below 1").frames) {
    labelled_[frame.clip] = true;
  }
}

PretrainBatch Distill::Views(const ClipSet& clips, Rng& rng) const {
  const auto frames = DistinctFrames(clips, options_.batch_size, rng);
  std::vector<int64_t> targets;
  for (const FrameIndex& frame : frames) {
    const bool labelled = !labelled_.empty() && labelled_[frame.clip];
    targets.push_back(labelled ? clips.clips[frame.clip].target : -1);
  }
  const auto views = AugmentedViews(clips, frames, options_.augment, net_->spec(), rng);
  return {{{"views", views}, {"targets", torch::tensor(targets, torch::kInt64)}}};
}

torch::Tensor Distill::TeacherLogits(const torch::Tensor& views) const {
  const torch::NoGradGuard no_grad;
  const EncoderSpec& spec = teacher_.net->spec();
  torch::Tensor seen = views;
  if (views.size(2) != spec.input_size) {
    seen = at::_upsample_bilinear2d_aa(views, {spec.input_size, spec.input_size},
                                       /*align_corners=*/false);
  }
  return teacher_head_->forward(teacher_.net->forward(Normalise(spec, seen)));
}

Pretrainer::StepResult Distill::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor& views = batch.tensors.at("views");
  const auto student = classifier_->forward(Embed(views));
  const auto teacher = TeacherLogits(views);
  const double alpha = options_.distill.alpha;
  torch::Tensor loss = DistillationLoss(student, teacher, options_.distill.temperature) * alpha;
  if (!labelled_.empty()) {
    const torch::Tensor& targets = batch.tensors.at("targets");
    const auto rows = targets.ge(0).nonzero().squeeze(1);
    if (rows.size(0) > 0) {
      loss = loss + (1 - alpha) * torch::cross_entropy_loss(student.index_select(0, rows),
                                                            targets.index_select(0, rows));
    }
  }
  const auto agree = student.detach().argmax(1).eq(teacher.argmax(1)).to(torch::kFloat);
  return {loss, {{"pretrain/agreement", agree.mean().item<double>()}}};
}

Metrics Distill::Validate(const torch::Tensor& x, const torch::Tensor& targets) {
  return {{"pretrain/val_acc", HeadAccuracy(*net_, *classifier_, x, targets) / 100}};
}

std::string Distill::metric() const {
  return options_.freeze_encoder ? net_->spec().metric : "cosine";
}

}  // namespace v2r
