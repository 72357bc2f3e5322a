#include "pretrain/evaluate.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "learn/knn.h"
#include "learn/losses.h"
#include "learn/measures.h"

namespace v2r {
namespace {

constexpr int64_t kChunk = 256;
constexpr int64_t kMeasured =
    1024;  // rows that dimensions and deviation are taken of, evenly spaced

void Add(LabelledFrames& part, int64_t clip, int64_t frame, std::vector<int64_t>& targets,
         int64_t target) {
  part.clip.push_back(clip);
  part.frame.push_back(frame);
  targets.push_back(target);
}

LabelledFrames WholePictures(const ClipSet& clips, const char* part) {
  LabelledFrames frames;
  frames.clips = clips;
  std::vector<int64_t> targets;
  for (size_t c = 0; c < clips.clips.size(); ++c) {
    const Clip& clip = clips.clips[c];
    if (clip.target < 0) ThrowUser("the {} data have no labels (picture {})", part, clip.name);
    for (int64_t t = 0; t < clip.frames.size(0); ++t) {
      Add(frames, static_cast<int64_t>(c), t, targets, clip.target);
    }
  }
  frames.targets = torch::tensor(targets, torch::kInt64);
  return frames;
}

LabelledData ByClip(const ClipSet& clips) {
  LabelledData data;
  data.pseudo = true;
  data.train.clips = data.test.clips = clips;
  std::vector<int64_t> train, test;
  for (size_t c = 0; c < clips.clips.size(); ++c) {
    data.classes.push_back(clips.clips[c].name);
    const int64_t length = clips.clips[c].frames.size(0);
    for (int64_t t = 0; t < length; ++t) {
      const bool middle = t >= length * 2 / 5 && t < length * 3 / 5;
      Add(middle ? data.test : data.train, static_cast<int64_t>(c), t, middle ? test : train,
          static_cast<int64_t>(c));
    }
  }
  data.train.targets = torch::tensor(train, torch::kInt64);
  data.test.targets = torch::tensor(test, torch::kInt64);
  return data;
}

// uint8 [end-begin,(S,)H,W,3]
torch::Tensor Pictures(const LabelledFrames& frames, int64_t begin, int64_t end, int64_t stack) {
  std::vector<torch::Tensor> pictures;
  for (int64_t i = begin; i < end; ++i) {
    const torch::Tensor& clip = frames.clips.clips[frames.clip[i]].frames;
    if (stack == 1) {
      pictures.push_back(clip[frames.frame[i]]);
      continue;
    }
    std::vector<torch::Tensor> steps;
    for (int64_t s = stack - 1; s >= 0; --s) {
      steps.push_back(clip[std::max<int64_t>(0, frames.frame[i] - s)]);
    }
    pictures.push_back(torch::stack(steps));
  }
  return torch::stack(pictures);
}

}  // namespace

LabelledData MakeLabelledData(const ClipSet& train, const ClipSet& test) {
  LabelledData data;
  if (train.classes.empty()) {
    if (!test.clips.empty()) {
      ThrowUser(
          "test_data: the training data name no classes, so their clips are the classes and a part "
          "of their own frames is the test: leave test_data out");
    }
    data = ByClip(train);
  } else {
    data.classes = train.classes;
    const size_t both = std::min(train.classes.size(), test.classes.size());
    if (!std::equal(train.classes.begin(), train.classes.begin() + both, test.classes.begin())) {
      ThrowUser("test_data: its classes are not those of the training data");
    }
    if (test.classes.size() > both) data.classes = test.classes;
    data.train = WholePictures(train, "training");
    data.test = WholePictures(test, "test");
  }
  if (data.classes.size() < 2) ThrowUser("evaluation needs two classes, the data have one");
  if (data.test.size() == 0) ThrowUser("evaluation: there are no test pictures (clips too short?)");
  return data;
}

torch::Tensor EmbedFrames(const Encoder& encoder, const LabelledFrames& frames,
                          const std::string& what) {
  const int64_t count = frames.size();
  std::vector<torch::Tensor> parts;
  Progress progress("embedding " + what, count);
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    PollInterrupt();
    const int64_t end = std::min(begin + kChunk, count);
    parts.push_back(encoder.Embed(Pictures(frames, begin, end, encoder.spec().frame_stack)).cpu());
    progress.Update(end);
  }
  return torch::cat(parts);
}

Scores ScoreEmbedding(const std::string& name, const torch::Tensor& train,
                      const torch::Tensor& train_targets, const torch::Tensor& test,
                      const torch::Tensor& test_targets, int64_t classes,
                      const EvaluateOptions& options) {
  if (options.knn_k.size() != options.knn_temperature.size()) {
    ThrowUser("knn_k has {} values, knn_temperature {}: one temperature for each k",
              options.knn_k.size(), options.knn_temperature.size());
  }
  Scores scores;
  scores.name = name;
  const auto unit_train = L2Normalize(train), unit_test = L2Normalize(test);
  for (size_t i = 0; i < options.knn_k.size(); ++i) {
    if (options.knn_k[i] < 1) ThrowUser("knn_k: {} is not positive", options.knn_k[i]);
    if (!(options.knn_temperature[i] > 0)) {
      ThrowUser("knn_temperature: {} is not positive", options.knn_temperature[i]);
    }
    const auto result = KnnClassify(unit_train, train_targets, unit_test, options.knn_k[i],
                                    options.knn_temperature[i], classes);
    scores.knn.push_back(TopAccuracy(result, test_targets, 1));
  }
  Rng rng = Rng(static_cast<uint64_t>(options.seed)).Fork("linear");
  const LinearProbe probe = FitLinearProbe(train, train_targets, classes, options.linear, rng);
  scores.linear = Accuracy(probe.Logits(test), test_targets);
  scores.linear_train = Accuracy(probe.Logits(train), train_targets);
  const auto some = test.slice(0, 0, test.size(0), (test.size(0) + kMeasured - 1) / kMeasured);
  scores.effective_dims = EffectiveDimensions(some);
  scores.normalized_std = NormalizedStd(some) * std::sqrt(static_cast<double>(test.size(1)));
  return scores;
}

torch::Tensor NearestRows(const torch::Tensor& train, const torch::Tensor& queries, int64_t k) {
  const auto similarity = torch::matmul(L2Normalize(queries), L2Normalize(train).t());
  return std::get<1>(similarity.topk(std::min(k, train.size(0)), 1));
}

torch::Tensor PrincipalPlane(const torch::Tensor& z) {
  const auto centred = (z - z.mean(0)).to(torch::kDouble);
  const auto covariance = centred.t().matmul(centred) / static_cast<double>(z.size(0));
  const auto vectors = std::get<1>(torch::linalg_eigh(covariance));  // by rising eigenvalue
  const int64_t dims = z.size(1);
  std::vector<torch::Tensor> axes;
  for (int64_t i = 1; i <= 2; ++i) {
    if (i > dims) {
      axes.push_back(torch::zeros({dims}, torch::kDouble));
      continue;
    }
    const auto axis = vectors.select(1, dims - i);
    axes.push_back(axis * axis[axis.abs().argmax()].sign());
  }
  return centred.matmul(torch::stack(axes, 1)).to(torch::kFloat);
}

}  // namespace v2r
