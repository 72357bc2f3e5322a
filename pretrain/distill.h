// Distillation: a student learns to give a classifier's probabilities, of itself or of a smaller
// network.
#pragma once

#include <string>
#include <vector>

#include "pretrain/method.h"

namespace v2r {

// SimCLR v2 (Chen et al. 2020b, equation 3 and colabs/distillation_self_training.ipynb): loss =
// alpha * tau^2 * CE(softmax(teacher / tau), student / tau) + (1 - alpha) * CE(label, student), the
// label term over those of the batch that are labelled (supervised.label_fraction). The teacher is
// in eval mode and sees the student's views, brought to its size. The student's classifier is
// linear and goes into the encoder file as "classifier".
class Distill : public Method {
 public:
  // UserError: no teacher, one without classifier, one of another frame_stack.
  Distill(const PretrainOptions& options, EncoderNet net, Rng& rng);
  // UserError: alpha < 1 and no labels, or classes that the teacher does not know.
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "views" float [B,3S,H,W]; "targets" int64 [B], -1 = not labelled.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // pretrain/agreement: share of rows for which student and teacher name the same class.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  // pretrain/val_acc, as Supervised.
  Metrics Validate(const torch::Tensor& x, const torch::Tensor& targets) override;
  // What the file said when the encoder is frozen, else "cosine".
  std::string metric() const override;

 private:
  torch::Tensor TeacherLogits(const torch::Tensor& views) const;

  EncoderFile teacher_;
  Head teacher_head_, classifier_;
  std::vector<bool> labelled_;  // by clip; empty: none
};

}  // namespace v2r
