#include "pretrain/setup.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/resize.h"
#include "core/text.h"
#include "learn/lars.h"
#include "learn/schedules.h"
#include "media/manifest.h"
#include "pretrain/adapt.h"

namespace v2r {
namespace {

constexpr double kMomentum = 0.9;  // sgd and lars, as in SimCLR, MoCo and their LARS
constexpr double kSoloLearnTrust = 0.02;  // of its CIFAR and ImageNet-100 recipes

// UserError when `asked` was set to something that the file contradicts. The metric is the method's
// affair, drop_path the training's.
void RequireSameSpec(const EncoderSpec& asked, const EncoderSpec& of_file,
                     const std::string& path) {
  const auto asked_rows = Describe(asked, "encoder");
  const auto file_rows = Describe(of_file, "encoder");
  const auto default_rows = Describe(EncoderSpec{}, "encoder");
  for (size_t i = 0; i < asked_rows.size(); ++i) {
    const FieldDoc& row = asked_rows[i];
    // Neither is part of what was trained.
    if (row.path == "encoder.metric" || row.path == "encoder.drop_path") continue;
    if (row.value == default_rows[i].value) continue;
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
                                                   const LearningRateScale& scale,
                                                   Defaults defaults) {
  defaults.weight_decay(options.weight_decay);
  // By scale, largest first, those that decay first.
  std::map<std::pair<double, bool>, std::vector<torch::Tensor>> sorted;
  for (torch::Tensor& parameter : parameters) {
    sorted[{scale ? -scale(parameter) : -1, !Decays(options, parameter)}].push_back(parameter);
  }
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (auto& [key, members] : sorted) {
    auto group_options = std::make_unique<Defaults>(defaults);
    if (key.second) group_options->weight_decay(0);
    groups.emplace_back(std::move(members), std::move(group_options));
  }
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
  if (options.init_input_size > 0 && options.init_from.empty()) {
    ThrowUser(
        "pretrain.init_input_size={} is for the network of pretrain.init_from; fresh weights are "
        "made for encoder.input_size",
        options.init_input_size);
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
  const EncoderSpec old = file.net->spec();
  EncoderSpec asked = spec, wanted = old;
  if (options.init_input_size > 0) {
    wanted.input_size = options.init_input_size;
    if (asked.input_size == wanted.input_size) asked.input_size = old.input_size;
  }
  if (spec.drop_path != EncoderSpec{}.drop_path) wanted.drop_path = spec.drop_path;
  RequireSameSpec(asked, old, options.init_from);
  if (wanted.input_size != old.input_size || wanted.drop_path != old.drop_path) {
    file.net = AdaptNet(*file.net, wanted, options.init_interpolation, rng);
  }
  return {file.net, std::move(file.heads)};
}

bool Decays(const PretrainOptions& options, const torch::Tensor& parameter) {
  return options.decay_norm_and_bias || parameter.dim() > 1;
}

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const PretrainOptions& options,
                                                       std::vector<torch::Tensor> parameters,
                                                       const LearningRateScale& scale) {
  const double rate = options.learning_rate;
  const auto betas = std::make_tuple(0.9, options.adam_beta2);
  if (options.optimizer == "adamw") {
    const auto adamw = torch::optim::AdamWOptions(rate).betas(betas);
    return Optimiser<torch::optim::AdamW>(options, std::move(parameters), scale, adamw);
  }
  if (options.optimizer == "adam") {
    const auto adam = torch::optim::AdamOptions(rate).betas(betas);
    return Optimiser<torch::optim::Adam>(options, std::move(parameters), scale, adam);
  }
  if (options.optimizer == "sgd") {
    const auto sgd = torch::optim::SGDOptions(rate).momentum(kMomentum);
    return Optimiser<torch::optim::SGD>(options, std::move(parameters), scale, sgd);
  }
  if (options.optimizer == "lars") {
    LarsOptions lars(rate);
    lars.momentum(kMomentum);
    return Optimiser<Lars>(options, std::move(parameters), scale, lars);
  }
  if (options.optimizer == "lars_clip") {
    LarsOptions lars(rate);
    lars.momentum(kMomentum);
    lars.variant = LarsVariant::kSoloLearn;
    lars.trust_coefficient = kSoloLearnTrust;
    return Optimiser<Lars>(options, std::move(parameters), scale, lars);
  }
  const std::vector<std::string> known = {"adamw", "adam", "sgd", "lars", "lars_clip"};
  ThrowUser("pretrain.optimizer: unknown '{}'{} (known: {})", options.optimizer,
            DidYouMean(options.optimizer, known), Join(known, ", "));
}

}  // namespace v2r
