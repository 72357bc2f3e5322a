// Learning from labels: from scratch, from an encoder file (fine-tuning), or a classifier alone on
// a frozen encoder (linear probe).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/rng.h"
#include "pretrain/labels.h"
#include "pretrain/method.h"

namespace v2r {

// Cross-entropy of a linear classifier on the embedding, or behind the first layers of init_from's
// projection head, with label smoothing, mixup and CutMix (learn/mixup.h), layer-wise step sizes
// (facebookresearch/mae main_finetune.py, util/lr_decay.py) and layers that stay as they are
// (google-research/simclr tf2/resnet.py fine_tune_after_block). The classifier goes into the
// encoder file as "classifier". With freeze_encoder it sees standardised features, unless the
// projection head's layers stand before it.
class Supervised : public Method {
 public:
  Supervised(const PretrainOptions& options, EncoderNet net, Rng& rng);
  // UserError: no classes, or no label to learn from.
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // What Prepare() does with the labels it picks. `demos` as there.
  void Learn(Labels labels, const torch::Tensor& demos);
  // "views" float [B,3S,H,W], mixed; "targets" float [B,classes], rows sum to 1.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // pretrain/train_acc: share of rows whose largest logit is that of the largest target.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  std::vector<torch::Tensor> Parameters() override;
  // layer_decay^(layers after that of the parameter).
  double LearningRateScale(const torch::Tensor& parameter) const override;
  // pretrain/val_acc: share of pictures told rightly.
  Metrics Validate(const torch::Tensor& x, const torch::Tensor& targets) override;
  // What the file said when the encoder is frozen, else "cosine".
  std::string metric() const override;

 private:
  const SupervisedOptions& own() const { return options_.supervised; }

  Rng head_rng_;
  Head projection_;  // of init_from, null: the classifier is linear
  Head classifier_;
  Labels labels_;
  std::map<const void*, double> scales_;  // by parameter, those that are not 1
};

}  // namespace v2r
