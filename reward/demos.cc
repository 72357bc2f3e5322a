#include "reward/demos.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
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
      chunks.push_back(encoder->Embed(clip.frames.narrow(0, at, n)));
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
