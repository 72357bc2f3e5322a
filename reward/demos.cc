#include "reward/demos.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/tensor_file.h"
#include "core/text.h"
#include "reward/distance.h"
#include "reward/embedder.h"
#include "reward/make.h"
#include "reward/needs.h"

namespace v2r {

std::vector<torch::Tensor> GoodDemos(const DemoFeatures& demos, int64_t embedding_dim,
                                     const torch::Device& device) {
  if (demos.good.empty())
    ThrowUser("the reward needs demonstrations labelled 'good', there is none");
  std::vector<torch::Tensor> good;
  for (const auto& demo : demos.good) {
    if (demo.dim() != 2 || demo.size(0) == 0 || demo.size(1) != embedding_dim) {
      ThrowUser(
          "demonstration {}: embeddings are [{}], expected [frames, {}]: embed them with the "
          "encoder of the reward",
          good.size(), fmt::join(demo.sizes().begin(), demo.sizes().end(), ", "), embedding_dim);
    }
    good.push_back(demo.to(device, torch::kFloat));
  }
  return good;
}

double StartGoalDistance(const std::string& metric, const std::vector<torch::Tensor>& demos) {
  double sum = 0;
  for (const auto& demo : demos) {
    sum += EmbeddingDistance(metric, demo[0], demo[demo.size(0) - 1]).item<double>();
  }
  const double mean = sum / static_cast<double>(demos.size());
  if (mean < 1e-9) {
    ThrowUser(
        "the demonstrations' first and last frames are {:.3g} apart in the embedding: they look "
        "the same to this encoder (a collapsed encoder, or clips that begin at the goal)",
        mean);
  }
  return mean;
}

RolloutFeatures ClipFeatures(const torch::Tensor& z, bool good) {
  const int64_t steps = z.size(0) - 1;
  V2R_CHECK(steps > 0, "a clip of one frame has no step");
  const auto frames = z.to(torch::kFloat).unsqueeze(1);
  RolloutFeatures features;
  features.next = frames.narrow(0, 1, steps);
  features.current = frames.narrow(0, 0, steps);
  features.goal = frames.narrow(0, steps, 1).expand_as(features.next);
  features.done = torch::zeros({steps, 1}, torch::kUInt8);
  features.done[steps - 1] = 1;
  features.terminated = torch::zeros({steps, 1}, torch::kUInt8);
  features.success = good ? features.done : features.terminated;
  features.episode_step = torch::arange(1, steps + 1).unsqueeze(1);
  return features;
}

void SaveDemoRows(StateDict& state, const std::vector<torch::Tensor>& demos) {
  state["demos"] = Blob::Scalar(static_cast<int64_t>(demos.size()));
  for (size_t i = 0; i < demos.size(); ++i) state["demo." + std::to_string(i)] = ToBlob(demos[i]);
}

std::vector<torch::Tensor> LoadDemoRows(const StateDict& state, const torch::Device& device) {
  const std::string what = "checkpoint of the reward";
  std::vector<torch::Tensor> demos;
  for (int64_t i = 0; i < RequireScalar<int64_t>(state, "demos", what); ++i) {
    demos.push_back(ToTensor(Require(state, "demo." + std::to_string(i), what)).to(device));
  }
  return demos;
}

void RequireRewardName(const StateDict& state, const std::string& name) {
  const std::string found = BlobText(Require(state, "name", "checkpoint of the reward"));
  if (found != name) {
    ThrowUser("the checkpoint holds the reward '{}', this run uses '{}': set reward.name={}", found,
              name, found);
  }
}

DemoFeatures EmbedDemos(const RewardOptions& options, const Encoder* encoder,
                        const ClipSet& clips) {
  CheckRewardOptions(options);
  if (!NeedsFrames(options)) return {};
  const auto own = encoder == nullptr ? RequireEncoder(options, nullptr) : nullptr;
  if (own != nullptr) encoder = own.get();
  const Embedder embedder(encoder, MoreEncoders(options, encoder->device()));
  DemoFeatures features;
  const std::map<std::string, std::vector<torch::Tensor>*> lists = {
      {"good", &features.good}, {"near_miss", &features.near_miss}, {"random", &features.random}};
  std::set<std::string> unknown;
  for (const auto& clip : clips.clips) {
    const auto list = lists.find(clip.label);
    if (list == lists.end()) {
      unknown.insert(clip.label);
      continue;
    }
    std::vector<torch::Tensor> chunks;
    for (int64_t at = 0; at < clip.frames.size(0); at += options.chunk_size) {
      const int64_t n = std::min(options.chunk_size, clip.frames.size(0) - at);
      chunks.push_back(embedder.Embed(clip.frames.narrow(0, at, n)));
    }
    if (chunks.empty()) ThrowUser("{}: the clip has no frames", clip.name);
    list->second->push_back(torch::cat(chunks));
  }
  const std::vector<std::string> others(unknown.begin(), unknown.end());
  if (features.good.empty()) {
    ThrowUser(
        "no clip is labelled 'good'{}: put demonstrations into a folder 'good' or label them in "
        "manifest.json",
        others.empty() ? "" : " (labels there are: " + Join(others, ", ") + ")");
  }
  if (!others.empty()) {
    LogWarn("clips labelled {} are not used by the reward (known: good, near_miss, random)",
            Join(others, ", "));
  }
  return features;
}

}  // namespace v2r
