// An encoder whose embedding is the picture, demonstrations in grey, and the assembly of it all.
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "envs/vector_env.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "reward/make.h"
#include "tests/reward/scripted_env.h"

namespace v2r::testing {

// Embedding = the 16x16 picture. Heads: "rank" is the mean, "bent" a ReLU of it,
// "falling" minus the mean, "wide" has two outputs. In units in which grey 20 to 100 is 1, for
// greys s, n, g of start, now and goal: "progress" is mean n - 1.5 s + .5 g, log variance g - n;
// "goal" is the logit 4 (n - 80).
inline std::shared_ptr<const Encoder> GreyEncoder(const std::string& metric = "l2") {
  EncoderSpec spec;
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  spec.input_size = kSide;
  spec.metric = metric;
  Rng rng(1);
  const auto net = MakeEncoderNet(spec, rng);
  const auto head = [&](double weight, int64_t outputs, int64_t hidden) {
    HeadSpec head_spec{net->output_dim(), {}, outputs};
    if (hidden > 0) head_spec.hidden = {hidden};
    auto made = std::make_shared<HeadImpl>(head_spec, rng);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : made->parameters()) parameter.fill_(parameter.dim() == 2 ? weight : 0.1);
    return made;
  };
  // How much the sum of an embedding rises from grey 20 to 100, and what it is at grey 80.
  const auto sum_of = [&net](int grey) {
    auto picture = torch::zeros({1, kSide, kSide, 3}, torch::kUInt8);
    PaintGrey(grey, picture.data_ptr<uint8_t>());
    return MakeEncoder(net, {}, torch::kCPU, "float32").Embed(picture).sum().item<double>();
  };
  const double rise = sum_of(100) - sum_of(20), at_80 = sum_of(80);
  // One linear layer: a row of weights for each output, equal over each embedding.
  const auto linear = [&](const std::vector<std::vector<double>>& rows, double bias) {
    const int64_t dims = net->output_dim();
    const auto count = static_cast<int64_t>(rows[0].size());
    const auto outputs = static_cast<int64_t>(rows.size());
    auto made = std::make_shared<HeadImpl>(HeadSpec{count * dims, {}, outputs}, rng);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : made->parameters()) {
      if (parameter.dim() == 1) {
        parameter.fill_(bias);
        continue;
      }
      for (int64_t i = 0; i < outputs; ++i) {
        for (int64_t k = 0; k < count; ++k) {
          parameter[i].narrow(0, k * dims, dims).fill_(rows[i][k] / rise);
        }
      }
    }
    return made;
  };
  const double w = 1.0 / static_cast<double>(net->output_dim());
  return std::make_shared<const Encoder>(
      MakeEncoder(net,
                  {{"rank", head(w, 1, 0)},
                   {"bent", head(w, 1, 1)},
                   {"falling", head(-w, 1, 0)},
                   {"progress", linear({{-1.5, 1, 0.5}, {0, -1, 1}}, 0)},
                   {"goal", linear({{4}}, -4 * at_80 / rise)},
                   {"wide", head(w, 2, 0)}},
                  torch::kCPU, "float32"));
}

// The file of an encoder like GreyEncoder(metric): a second member for ensembles.
inline std::string GreyEncoderFile(const std::string& metric) {
  struct Folder {
    std::filesystem::path path =
        std::filesystem::path(::testing::TempDir()) / fmt::format("v2r_grey_{}", ::getpid());
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
  };
  static const Folder folder;
  const auto path = folder.path / (metric + ".safetensors");
  if (!std::filesystem::exists(path)) {
    EncoderSpec spec;
    spec.arch = "pixels";
    spec.embedding_dim = 0;
    spec.input_size = kSide;
    spec.metric = metric;
    Rng rng(1);
    SaveEncoder(path, *MakeEncoderNet(spec, rng), {}, {});
  }
  return path.string();
}

inline Clip GreyClip(const std::string& label, const std::vector<int>& greys) {
  Clip clip{"clip", label,
            torch::zeros({static_cast<int64_t>(greys.size()), kSide, kSide, 3}, torch::kUInt8), 25};
  for (size_t t = 0; t < greys.size(); ++t) PaintGrey(greys[t], clip.frames[t].data_ptr<uint8_t>());
  return clip;
}

// Two demonstrations 20 40 60 80 100: start-goal distance 80 greys, so d = |grey - 100| / 80.
inline ClipSet GreyDemos() {
  ClipSet clips;
  clips.clips = {GreyClip("good", {20, 40, 60, 80, 100}), GreyClip("good", {20, 40, 60, 80, 100})};
  return clips;
}

// Env, reward model and everything between, as the application assembles them.
inline std::unique_ptr<VectorEnv> Assemble(const RewardOptions& options,
                                           const ScriptOptions& script,
                                           std::shared_ptr<const Encoder> encoder = GreyEncoder(),
                                           const ClipSet& demos = GreyDemos(), uint64_t seed = 7) {
  if (options.name == "true") encoder = nullptr;
  auto reward = MakeRewardModel(options, encoder, torch::kCPU);
  reward->Calibrate(EmbedDemos(options, encoder.get(), demos));
  return MakeLearnedRewardEnv(std::make_unique<ScriptedEnv>(script), encoder, std::move(reward),
                              options, seed);
}

// `steps` steps with the actions of `policy(t, n)`, then FinishRollout: rewards [T*N], from
// wherever the env delivers them.
template <typename Policy>
std::vector<float> Rollout(VectorEnv& env, int64_t steps, Policy policy,
                           Metrics* metrics = nullptr) {
  const int64_t count = env.Spec().num_envs;
  std::vector<float> rewards(steps * count), actions(count);
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t n = 0; n < count; ++n) actions[n] = policy(t, n);
    const auto view = env.Step(actions);
    std::copy(view.reward.begin(), view.reward.end(), rewards.begin() + t * count);
  }
  Metrics unused;
  env.FinishRollout(rewards, metrics != nullptr ? *metrics : unused);
  return rewards;
}
inline float Forward(int64_t, int64_t) { return 1.0f; }
// A policy that differs by step and env.
inline float Wander(int64_t t, int64_t n) {
  return static_cast<float>(0.6 + 0.4 * std::sin(1.7 * static_cast<double>(t + 3 * n)));
}

inline RewardOptions Options(const std::string& name) {
  RewardOptions options;
  options.name = name;
  options.dtype = "float32";
  if (name == "ensemble") options.ensemble.encoders = {GreyEncoderFile("cosine")};
  if (name == "sum") {
    options.sum.parts = {"goal_distance", "ranking", "success"};
    options.sum.weights = {1, 0.5, 2};
  }
  return options;
}

}  // namespace v2r::testing
