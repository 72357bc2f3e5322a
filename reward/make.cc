#include "reward/make.h"

#include <utility>

#include "core/registry.h"
#include "core/text.h"
#include "reward/classifier.h"
#include "reward/goal_distance.h"
#include "reward/needs.h"
#include "reward/ranking.h"
#include "reward/true_reward.h"

namespace v2r {
namespace {

using RewardRegistry = Registry<RewardModel, const RewardOptions&, std::shared_ptr<const Encoder>,
                                const torch::Device&>;

// The list of rewards: a new one is one line here.
RewardRegistry MakeRegistry() {
  RewardRegistry rewards("reward");
  const auto goal_distance = [](const RewardOptions& options,
                                std::shared_ptr<const Encoder> encoder,
                                const torch::Device& device) -> std::unique_ptr<RewardModel> {
    return std::make_unique<GoalDistanceReward>(options, std::move(encoder), device);
  };
  rewards.Add("goal_distance", "minus the distance between embedding and goal", goal_distance);
  rewards.Add("pixel_l2",
              "goal_distance on the shrunk picture itself: the baseline without learning",
              goal_distance);
  rewards.Add("ranking", "how late in a demonstration a picture looks, by a head that ranks frames",
              [](const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                 const torch::Device& device) -> std::unique_ptr<RewardModel> {
                return std::make_unique<RankingReward>(options, std::move(encoder), device);
              });
  rewards.Add("true", "the task's own reward: the upper mark, nothing learned",
              [](const RewardOptions& options, std::shared_ptr<const Encoder>,
                 const torch::Device&) -> std::unique_ptr<RewardModel> {
                return std::make_unique<TrueReward>(options);
              });
  return rewards;
}

const RewardRegistry& Rewards() {
  static const RewardRegistry rewards = MakeRegistry();
  return rewards;
}

bool IsGoalReward(const RewardOptions& options) {
  return options.name == "goal_distance" || options.name == "pixel_l2";
}

EncoderSpec PixelsSpec() {
  EncoderSpec spec;
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  return spec;
}

}  // namespace

std::vector<std::string> RewardNames() { return Rewards().Names(); }
std::string RewardDoc(const std::string& name) { return Rewards().Doc(name); }

bool NeedsFrames(const RewardOptions& options) { return options.name != "true"; }

bool NeedsGoalFrames(const RewardOptions& options) {
  return IsGoalReward(options) && options.goal.kind == "env" && !options.wrong_goal;
}

void CheckRewardOptions(const RewardOptions& options) {
  Rewards().Doc(options.name);  // an unknown name is a UserError
  const RewardOptions defaults;
  if (!IsGoalReward(options)) {
    const auto unread = [&](const char* key, bool is_default) {
      if (!is_default) {
        ThrowUser(
            "reward.{}: reward '{}' has no goal and does not read it; use "
            "reward.name=goal_distance or leave it out",
            key, options.name);
      }
    };
    unread("goal.kind", options.goal.kind == defaults.goal.kind);
    unread("form", options.form == defaults.form);
    unread("distance", options.distance == defaults.distance);
    if (options.wrong_goal) {
      ThrowUser("reward.wrong_goal: reward '{}' has no goal that could be wrong{}", options.name,
                options.name == "ranking"
                    ? " (it learned the order of frames; reversing that would only change the sign)"
                    : "");
    }
  }
  if (options.classifier.weight > 0) {
    if (options.name == "true") {
      ThrowUser(
          "reward.classifier.weight: nothing learned is added to the true reward; choose another "
          "reward.name");
    }
    if (options.timing == "immediate") {
      ThrowUser(
          "reward.timing=immediate: the classifier learns from a whole rollout before it rewards "
          "it; use reward.timing=deferred or "
          "reward.classifier.weight=0");
    }
  }
}

void RequireEveryPicture(const RewardOptions& options, int64_t render_every) {
  if (!NeedsFrames(options) || render_every == 1) return;
  ThrowUser(
      "env.render_every={}: reward '{}' reads the picture of every step, and those in between "
      "would "
      "be old ones; set env.render_every=1 (reward.every=K computes the reward at every K-th step)",
      render_every, options.name);
}

std::shared_ptr<const Encoder> RequireEncoder(const RewardOptions& options,
                                              std::shared_ptr<const Encoder> encoder) {
  if (!NeedsFrames(options)) return nullptr;
  if (encoder == nullptr) {
    if (options.name != "pixel_l2") {
      ThrowUser(
          "reward '{}' needs an encoder: pretrain one, give an encoder file, or use "
          "reward.name=pixel_l2",
          options.name);
    }
    Rng rng(0);  // nothing to draw: pixels has no parameters
    return std::make_shared<const Encoder>(
        MakeEncoder(MakeEncoderNet(PixelsSpec(), rng), {}, torch::kCPU, "float32"));
  }
  if (options.name == "pixel_l2" && encoder->spec().arch != "pixels") {
    ThrowUser(
        "reward 'pixel_l2' reads the picture itself, the encoder given is '{}': leave the encoder "
        "out or use "
        "reward.name=goal_distance",
        encoder->spec().arch);
  }
  if (encoder->spec().frame_stack != 1) {
    ThrowUser(
        "encoder: it stacks {} pictures (frame_stack); rewards embed single pictures, pretrain "
        "with frame_stack=1",
        encoder->spec().frame_stack);
  }
  return encoder;
}

std::shared_ptr<const Encoder> MakeRewardEncoder(const RewardOptions& options,
                                                 const std::filesystem::path& path,
                                                 const torch::Device& device) {
  CheckRewardOptions(options);
  if (path.empty() || !NeedsFrames(options)) return RequireEncoder(options, nullptr);
  return RequireEncoder(options,
                        std::make_shared<const Encoder>(LoadEncoder(path, device, options.dtype)));
}

std::unique_ptr<RewardModel> MakeRewardModel(const RewardOptions& options,
                                             std::shared_ptr<const Encoder> encoder,
                                             const torch::Device& device) {
  CheckRewardOptions(options);
  encoder = RequireEncoder(options, std::move(encoder));
  auto reward = Rewards().Make(options.name, options, encoder, device);
  if (options.classifier.weight == 0) return reward;
  return std::make_unique<ClassifierReward>(std::move(reward), options.classifier,
                                            encoder->embedding_dim(), device);
}

}  // namespace v2r
