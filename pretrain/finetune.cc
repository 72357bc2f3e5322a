#include "pretrain/finetune.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "pretrain/monitor.h"
#include "pretrain/pictures.h"
#include "pretrain/setup.h"
#include "pretrain/step.h"
#include "pretrain/supervised.h"

namespace v2r {
namespace {

constexpr int64_t kChunk = 256;
constexpr int64_t kWarmupShare = 10;

PretrainOptions RecipeOf(const FinetuneOptions& options, const std::string& encoder, int64_t seed,
                         int64_t pictures) {
  PretrainOptions recipe;
  recipe.method = "supervised";
  recipe.seed = seed;
  recipe.init_from = encoder;
  recipe.batch_size = options.batch_size;
  recipe.iterations = options.epochs * ((pictures + options.batch_size - 1) / options.batch_size);
  recipe.warmup_iterations = recipe.iterations / kWarmupShare;
  recipe.learning_rate = options.learning_rate;
  recipe.weight_decay = options.weight_decay;
  recipe.decay_norm_and_bias = false;
  recipe.augment = options.augment;
  recipe.supervised.layer_decay = options.layer_decay;
  recipe.supervised.ft_proj_selector = options.ft_proj_selector;
  return recipe;
}

Labels PickFrames(const LabelledFrames& train, int64_t classes, double fraction, const Rng& rng) {
  const int64_t* first = train.targets.const_data_ptr<int64_t>();
  const std::vector<int64_t> targets(first, first + train.size());
  Labels labels;
  labels.classes = classes;
  for (const int64_t i : PickBalanced(targets, classes, fraction, rng)) {
    labels.frames.push_back({train.clip[i], train.frame[i]});
    labels.targets.push_back(targets[i]);
  }
  return labels;
}

double TestAccuracy(Supervised& method, const LabelledFrames& test, const torch::Device& device) {
  const EncoderNet net = method.encoder();
  const Head classifier = method.heads().at("classifier");
  double right = 0;
  for (int64_t begin = 0; begin < test.size(); begin += kChunk) {
    const int64_t end = std::min(begin + kChunk, test.size());
    std::vector<FrameIndex> frames;
    for (int64_t i = begin; i < end; ++i) frames.push_back({test.clip[i], test.frame[i]});
    const auto x = Normalise(net->spec(), PlainViews(test.clips, frames, net->spec())).to(device);
    right += HeadAccuracy(*net, *classifier, x, test.targets.slice(0, begin, end)) *
             static_cast<double>(end - begin);
  }
  return right / static_cast<double>(test.size());
}

}  // namespace

std::vector<double> FinetuneAccuracies(const std::filesystem::path& encoder,
                                       const LabelledData& data, const FinetuneOptions& options,
                                       int64_t seed, const torch::Device& device) {
  std::vector<double> accuracies;
  const auto classes = static_cast<int64_t>(data.classes.size());
  const Rng rng(static_cast<uint64_t>(seed));
  for (const double fraction : options.label_fractions) {
    if (!(fraction > 0 && fraction <= 1)) {
      ThrowUser("evaluate.finetune.label_fractions: {} is not in (0, 1]", fraction);
    }
    Labels labels = PickFrames(data.train, classes, fraction, rng.Fork("labels"));
    const PretrainOptions recipe = RecipeOf(options, encoder.string(), seed, labels.size());
    const EncoderNet net = LoadEncoderFile(encoder).net;
    if (net->parameters().empty()) {
      ThrowUser("evaluate.finetune: {} has no weights to train", encoder.string());
    }
    net->to(device);
    Rng head_rng = rng.Fork("heads");
    Supervised method(recipe, net, head_rng);
    method.Learn(std::move(labels), {});
    const auto optimizer = MakeOptimizer(recipe, method.Parameters(), [&](const torch::Tensor& p) {
      return method.LearningRateScale(p);
    });
    Progress progress(fmt::format("fine-tuning on {:g} %", 100 * fraction), recipe.iterations);
    uint64_t taken = 0;
    const auto next = [&] {
      const torch::NoGradGuard no_grad;
      Rng batch_rng = rng.Fork("batch", taken++);
      PretrainBatch batch = method.Views(data.train.clips, batch_rng);
      for (auto& [name, tensor] : batch.tensors) tensor = tensor.to(device);
      return batch;
    };
    for (int64_t step = 0; step < recipe.iterations; ++step) {
      PollInterrupt();
      PretrainStep(recipe, method, *optimizer, next, step);
      progress.Update(step + 1);
    }
    accuracies.push_back(TestAccuracy(method, data.test, device));
  }
  return accuracies;
}

}  // namespace v2r
