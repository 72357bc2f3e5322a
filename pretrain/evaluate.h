// How good a representation is, by labels: nearest neighbours and a linear classifier on frozen
// embeddings.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "learn/linear_probe.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/finetune_options.h"

namespace v2r {

// Two settings of kNN stand side by side as default: DINO's (k 20, T .07; eval_knn.py) and that of
// MoCo's CIFAR notebook and InstDisc (k 200, T .1).
struct EvaluateOptions {
  int64_t seed = 1;
  std::vector<int64_t> knn_k = {20, 200};
  std::vector<double> knn_temperature = {0.07, 0.1};
  LinearProbeOptions linear;
  FinetuneOptions finetune;

  template <typename V>
  void Fields(V& v) {
    v("seed", seed, "of the linear classifier, of fine-tuning and of the untrained encoder",
      AtLeast(0));
    v("knn_k", knn_k, "neighbours that vote, one column each");
    v("knn_temperature", knn_temperature, "of the votes exp(cosine / T), one a column");
    v("linear", linear, "linear classifier");
    v("finetune", finetune, "fine-tuning of a copy");
  }
};

// One part of labelled data.
struct LabelledFrames {
  ClipSet clips;
  std::vector<int64_t> clip, frame;  // [N] position of each picture in `clips`
  torch::Tensor targets;             // int64 [N]

  int64_t size() const { return static_cast<int64_t>(clip.size()); }
};
struct LabelledData {
  std::vector<std::string> classes;
  bool pseudo = false;  // a class is a clip
  LabelledFrames train, test;
};
// Classes as the data name them; of clips without classes the clip is the class, and the middle
// fifth of its frames is the test part (then `test` must be empty). UserError: one class only,
// parts that name other classes, no test pictures.
LabelledData MakeLabelledData(const ClipSet& train, const ClipSet& test);

// float [N,D] on the CPU, with progress under the name `what`. Stacks as PlainViews() makes them.
torch::Tensor EmbedFrames(const Encoder& encoder, const LabelledFrames& frames,
                          const std::string& what);

struct Scores {
  std::string name;
  std::vector<double> knn;    // accuracy in percent, beside options.knn_k
  double linear = 0;          // accuracy in percent
  double linear_train = 0;    // of the training pictures
  std::optional<double> classifier;  // of the file's own head `classifier`, in percent
  std::vector<double> finetune;  // in percent, beside options.finetune.label_fractions, or empty
  double effective_dims = 0;     // of the test embeddings (learn/measures.h)
  double normalized_std = 0;  // times sqrt(D): 1 = spread out, 0 = collapsed
};
// train [N,D], test [M,D]. UserError: knn_k and knn_temperature of different lengths or not
// positive.
Scores ScoreEmbedding(const std::string& name, const torch::Tensor& train,
                      const torch::Tensor& train_targets, const torch::Tensor& test,
                      const torch::Tensor& test_targets, int64_t classes,
                      const EvaluateOptions& options);

// int64 [Q,k]: rows of train [N,D] nearest to each of queries [Q,D] by cosine, nearest first; k is
// cut to N.
torch::Tensor NearestRows(const torch::Tensor& train, const torch::Tensor& queries, int64_t k);
// float [N,2]: the first two principal components of z [N,D], each with its largest entry positive.
torch::Tensor PrincipalPlane(const torch::Tensor& z);

}  // namespace v2r
