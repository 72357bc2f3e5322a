#include "pretrain/setup.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/resize.h"
#include "core/text.h"
#include "learn/lars.h"
#include "learn/schedules.h"
#include "media/manifest.h"

namespace v2r {
namespace {

constexpr double kMomentum = 0.9;  // sgd and lars, as in SimCLR, MoCo and their LARS
constexpr double kSoloLearnTrust = 0.02;  // of its CIFAR and ImageNet-100 recipes

// UserError when `asked` was set to something that the file contradicts. The metric is the method's
// affair.
void RequireSameSpec(const EncoderSpec& asked, const EncoderSpec& of_file,
                     const std::string& path) {
  const auto asked_rows = Describe(asked, "encoder");
  const auto file_rows = Describe(of_file, "encoder");
  const auto default_rows = Describe(EncoderSpec{}, "encoder");
  for (size_t i = 0; i < asked_rows.size(); ++i) {
    const FieldDoc& row = asked_rows[i];
    if (row.path == "encoder.metric" || row.value == default_rows[i].value) continue;
    if (row.value == file_rows[i].value) continue;
    ThrowUser(
        "{}={}, but pretrain.init_from={} has {}={}: the file decides what the encoder is. Leave "
        "the key out, or start from "
        "another file",
        row.path, row.value, path, row.path, file_rows[i].value);
  }
}

template <typename Algorithm, typename Defaults>
std::unique_ptr<torch::optim::Optimizer> Optimiser(const PretrainOptions& options,
                                                   std::vector<torch::Tensor> parameters,
                                                   Defaults defaults) {
  defaults.weight_decay(options.weight_decay);
  if (options.decay_norm_and_bias) {
    return std::make_unique<Algorithm>(std::move(parameters), defaults);
  }
  const auto flat = std::stable_partition(parameters.begin(), parameters.end(),
                                          [](const torch::Tensor& p) { return p.dim() > 1; });
  auto without = std::make_unique<Defaults>(defaults);
  without->weight_decay(0);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>(parameters.begin(), flat),
                      std::make_unique<Defaults>(defaults));
  groups.emplace_back(std::vector<torch::Tensor>(flat, parameters.end()), std::move(without));
  return std::make_unique<Algorithm>(std::move(groups), defaults);
}

}  // namespace

void CheckOptions(const PretrainOptions& options) {
  if (options.labels.empty()) {
    ThrowUser(
        "pretrain.labels is empty: name at least one label of the clips to learn from, e.g. "
        "[good]");
  }
  if (options.iterations > 0 && options.warmup_iterations >= options.iterations) {
    ThrowUser(
        "pretrain.warmup_iterations={} leaves no iteration at full step size: it must be less than "
        "iterations={}",
        options.warmup_iterations, options.iterations);
  }
  if (options.min_learning_rate > options.learning_rate) {
    ThrowUser("pretrain.min_learning_rate={} is above learning_rate={}", options.min_learning_rate,
              options.learning_rate);
  }
  if (options.batch_size < 2)
    ThrowUser("pretrain.batch_size must be at least 2, is {}", options.batch_size);
}

ClipSet SelectClips(const PretrainOptions& options, const EncoderSpec& spec, const ClipSet& clips) {
  std::set<std::string> there;
  for (const Clip& clip : clips.clips) there.insert(clip.label);
  const std::vector<std::string> known(there.begin(), there.end());
  const auto& labels = ClipLabels();
  bool any = false;
  for (const std::string& label : options.labels) any |= there.contains(label);
  for (const std::string& label : options.labels) {
    if (there.contains(label)) continue;
    // Recipes that take random clips where there are some work without; a name that no clip can
    // have is a slip.
    const bool possible = std::find(labels.begin(), labels.end(), label) != labels.end();
    if (!any || !possible) {
      ThrowUser("pretrain.labels: no clip is labelled '{}'{} (labels of the data: {})", label,
                DidYouMean(label, known), known.empty() ? "none" : Join(known, ", "));
    }
    LogWarn("pretrain.labels: no clip is labelled '{}'; learning from the others", label);
  }
  ClipSet selected;
  selected.classes = clips.classes;
  for (const Clip& clip : clips.clips) {
    const auto wanted = std::find(options.labels.begin(), options.labels.end(), clip.label);
    if (wanted == options.labels.end()) continue;
    selected.clips.push_back(clip);
    torch::Tensor& frames = selected.clips.back().frames;
    frames = ResizeFrames(frames, spec.input_size, spec.input_size, spec.resize).contiguous();
  }
  return selected;
}

StartingNet MakeStartingNet(const PretrainOptions& options, const EncoderSpec& spec, Rng& rng) {
  if (options.init_from.empty()) return {MakeEncoderNet(spec, rng), {}};
  EncoderFile file = LoadEncoderFile(options.init_from);
  RequireSameSpec(spec, file.net->spec(), options.init_from);
  return {file.net, std::move(file.heads)};
}

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const PretrainOptions& options,
                                                       std::vector<torch::Tensor> parameters) {
  const double rate = options.learning_rate;
  const auto betas = std::make_tuple(0.9, options.adam_beta2);
  if (options.optimizer == "adamw") {
    const auto adamw = torch::optim::AdamWOptions(rate).betas(betas);
    return Optimiser<torch::optim::AdamW>(options, std::move(parameters), adamw);
  }
  if (options.optimizer == "adam") {
    const auto adam = torch::optim::AdamOptions(rate).betas(betas);
    return Optimiser<torch::optim::Adam>(options, std::move(parameters), adam);
  }
  if (options.optimizer == "sgd") {
    const auto sgd = torch::optim::SGDOptions(rate).momentum(kMomentum);
    return Optimiser<torch::optim::SGD>(options, std::move(parameters), sgd);
  }
  if (options.optimizer == "lars") {
    LarsOptions lars(rate);
    lars.momentum(kMomentum);
    return Optimiser<Lars>(options, std::move(parameters), lars);
  }
  if (options.optimizer == "lars_clip") {
    LarsOptions lars(rate);
    lars.momentum(kMomentum);
    lars.variant = LarsVariant::kSoloLearn;
    lars.trust_coefficient = kSoloLearnTrust;
    return Optimiser<Lars>(options, std::move(parameters), lars);
  }
  const std::vector<std::string> known = {"adamw", "adam", "sgd", "lars", "lars_clip"};
  ThrowUser("pretrain.optimizer: unknown '{}'{} (known: {})", options.optimizer,
            DidYouMean(options.optimizer, known), Join(known, ", "));
}

}  // namespace v2r
