#include "reward/make.h"

#include <utility>

#include "core/registry.h"
#include "core/text.h"
#include "reward/classifier.h"
#include "reward/ensemble.h"
#include "reward/goal_classifier.h"
#include "reward/goal_distance.h"
#include "reward/guard.h"
#include "reward/needs.h"
#include "reward/optimal_transport.h"
#include "reward/potential.h"
#include "reward/progress.h"
#include "reward/ranking.h"
#include "reward/sum.h"
#include "reward/tracking.h"
#include "reward/true_reward.h"

namespace v2r {
namespace {

using RewardRegistry = Registry<RewardModel, const RewardOptions&, std::shared_ptr<const Encoder>,
                                const torch::Device&>;

template <typename Reward>
void Add(RewardRegistry& rewards, const std::string& name, const std::string& doc) {
  rewards.Add(name, doc,
              [](const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                 const torch::Device& device) -> std::unique_ptr<RewardModel> {
                return std::make_unique<Reward>(options, std::move(encoder), device);
              });
}

// The list of rewards: a new one is one line here.
RewardRegistry MakeRegistry() {
  RewardRegistry rewards("reward");
  Add<GoalDistanceReward>(rewards, "goal_distance",
                          "minus the distance between embedding and goal");
  Add<GoalDistanceReward>(
      rewards, "pixel_l2",
      "goal_distance on the shrunk picture itself: the baseline without learning");
  Add<RankingReward>(rewards, "ranking",
                     "how late in a demonstration a picture looks, by a head that ranks frames");
  Add<ProgressReward>(rewards, "progress",
                      "how far between the episode's start and the goal a picture is, by a head "
                      "that reads all three (PROGRESSOR)");
  Add<GoalClassifierReward>(rewards, "goal_classifier",
                            "whether a picture shows a goal, by a head that tells goals from "
                            "other frames (XIRL's baseline)");
  Add<PotentialReward>(rewards, "potential",
                       "gamma * Phi(o') * (1 - terminated) - Phi(o), Phi = potential.of");
  Add<PotentialReward>(rewards, "value_difference",
                       "V(o') - V(o), V = potential.of: what the step changed (VIP)");
  Add<OptimalTransportReward>(rewards, "optimal_transport",
                              "minus each picture's share of the Sinkhorn cost between the whole "
                              "episode and the nearest demonstration (ROT, TemporalOT)");
  Add<NearestNeighbourReward>(rewards, "nearest_neighbour",
                              "minus the distance to the nearest frame of a window that moves "
                              "along a demonstration, and what of it is still to come");
  Add<TcnTrackingReward>(rewards, "tcn_tracking",
                         "-alpha d^2 - beta sqrt(gamma + d^2), d to the frame of the same time of "
                         "one demonstration (TCN)");
  Add<EnsembleReward>(rewards, "ensemble",
                      "mean, minimum or lower bound of one reward over several encoders");
  Add<SumReward>(rewards, "sum", "weighted sum of rewards by name");
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

EncoderSpec PixelsSpec() {
  EncoderSpec spec;
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  return spec;
}

}  // namespace

std::vector<std::string> RewardNames() { return Rewards().Names(); }
std::string RewardDoc(const std::string& name) { return Rewards().Doc(name); }

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
    if (!TreeHas(options, "pixel_l2")) {
      ThrowUser(
          "reward '{}' needs an encoder: pretrain one, give an encoder file, or use "
          "reward.name=pixel_l2",
          options.name);
    }
    Rng rng(0);  // nothing to draw: pixels has no parameters
    return std::make_shared<const Encoder>(
        MakeEncoder(MakeEncoderNet(PixelsSpec(), rng), {}, torch::kCPU, "float32"));
  }
  if (TreeHas(options, "pixel_l2") && encoder->spec().arch != "pixels") {
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
  auto reward = MakePart(options, encoder, device);
  const GuardOptions& guard = options.guard;
  if (!guard.clip.empty() || guard.monitor || guard.penalty > 0) {
    reward = std::make_unique<GuardReward>(std::move(reward), options, encoder, device);
  }
  if (options.classifier.weight == 0) return reward;
  int64_t dims = encoder->embedding_dim();
  for (const auto& more : reward->MoreEncoders()) dims += more->embedding_dim();
  return std::make_unique<ClassifierReward>(std::move(reward), options.classifier, dims, device);
}

std::unique_ptr<RewardModel> MakePart(const RewardOptions& options,
                                      std::shared_ptr<const Encoder> encoder,
                                      const torch::Device& device) {
  return Rewards().Make(options.name, options, std::move(encoder), device);
}

}  // namespace v2r
