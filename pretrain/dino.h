// DINO: a student learns to give, for any view of a frame, what its slowly moving teacher gives for
// a large one.
#pragma once

#include <string>

#include "learn/dino.h"
#include "pretrain/method.h"

namespace v2r {

// Names a collapse of the teacher's targets, once a kind: over 50 batches uniform (the mean
// entropy of a target within 1 % of ln(out_dim)), or one output for all samples (the entropy of the
// batch's mean target below 1 % of it).
class TargetWatch {
 public:
  explicit TargetWatch(int64_t out_dim);
  void Add(double target_entropy, double mean_target_entropy);
  void Save(StateDict& state) const;
  void Load(const StateDict& state);

 private:
  double most_;  // ln(out_dim)
  int64_t count_ = 0, warned_uniform_ = 0, warned_one_ = 0;
  double entropy_ = 0, mean_entropy_ = 0;  // sums
};

// Caron et al. 2021, algorithm 1 with multi-crop; facebookresearch/dino main_dino.py. The encoder
// file holds the teacher, as the official evaluations do. projection_hidden, projection_layers and
// projection_dim are the head's hidden_dim, nlayers and bottleneck_dim.
class Dino : public Method {
 public:
  Dino(const PretrainOptions& options, EncoderNet net, Rng& rng);
  void Prepare(const ClipSet& clips, const torch::Tensor& demos) override;
  // "globals" float [2B,3S,H,W]: first, then second global views (TwoViews); "locals" float
  // [N*B,3S,h,w], crop after crop, in turns of the frames of the first and of the second: absent
  // without small views.
  PretrainBatch Views(const ClipSet& clips, Rng& rng) const override;
  // One forward of the student's network a resolution, one of its head over all.
  StepResult Loss(const PretrainBatch& batch, int64_t step) override;
  void BeforeStep(int64_t step) override;  // the last layer is frozen for the first epochs
  void AfterStep(int64_t step, int64_t total_steps) override;  // centre, EMA
  EncoderNet encoder() override;  // the teacher, embedding_norm in its last layer
  std::string metric() const override { return "cosine"; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 private:
  int64_t Epoch(int64_t step) const { return step / epoch_iterations_; }
  // The student's embeddings of all views, global ones first.
  torch::Tensor Embeddings(const PretrainBatch& batch);

  AugmentOptions local_augment_;
  int64_t local_size_ = 0;
  int64_t epoch_iterations_ = 1;
  DinoHead head_{nullptr}, teacher_head_{nullptr};
  torch::nn::BatchNorm1d norm_{nullptr}, teacher_norm_{nullptr};  // null without embedding_norm
  EncoderNet teacher_;
  DinoLoss loss_{nullptr};
  TargetWatch watch_;
};

}  // namespace v2r
