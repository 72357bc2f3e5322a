// Rewards by name, and the environment decorator that puts one inside a vector environment.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/vector_env.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "reward/reward_model.h"

namespace v2r {

struct GoalOptions {
  std::string kind = "mean";
  int64_t last_frames = 1;
  double max_spread = 0.5;

  template <typename V>
  void Fields(V& v) {
    v("kind", kind,
      "mean of the demonstrations' last frames, nearest of them, or the env's goal picture",
      OneOf({"mean", "nearest", "env"}));
    v("last_frames", last_frames, "frames at a demonstration's end that show the goal", AtLeast(1));
    v("max_spread", max_spread,
      "a mean goal is refused when goal spread / start-goal distance is larger", AtLeast(0));
  }
};

struct ClassifierOptions {
  double weight = 0.0;
  double clip = 4.0;
  std::vector<int64_t> hidden = {64, 64};
  double learning_rate = 1e-3;
  int64_t steps = 20;
  int64_t batch_size = 256;
  int64_t reservoir_rollouts = 20;
  int64_t reservoir_frames = 512;
  double mixup_alpha = 1.0;

  template <typename V>
  void Fields(V& v) {
    v("weight", weight,
      "reward += weight * clip(logit): demonstration frames against policy frames; 0 = off",
      AtLeast(0));
    v("clip", clip, "the logit is clipped to +- this", AtLeast(0));
    v("hidden", hidden, "hidden layers of the classifier");
    v("learning_rate", learning_rate, "Adam's step size", AtLeast(0));
    v("steps", steps, "optimiser steps a rollout", AtLeast(0));
    v("batch_size", batch_size, "frames of each class a step", AtLeast(1));
    v("reservoir_rollouts", reservoir_rollouts, "past rollouts whose frames are kept", AtLeast(1));
    v("reservoir_frames", reservoir_frames, "frames kept of each rollout", AtLeast(1));
    v("mixup_alpha", mixup_alpha, "mixup's Beta parameter, 0 = no mixup", AtLeast(0));
  }
};

struct RewardOptions {
  std::string name = "ranking";
  std::string distance = "encoder";
  std::string form = "negative";
  double form_gamma = 1.0;
  double scale = 1.0;
  bool demo_scale = true;
  std::string head = "rank";
  std::string dtype = "float32";
  std::string timing = "deferred";
  int64_t chunk_size = 256;
  int64_t every = 1;
  bool wrong_goal = false;
  GoalOptions goal;
  ClassifierOptions classifier;

  template <typename V>
  void Fields(V& v) {
    v("name", name, "reward model, see `v2r list rewards`");
    v("distance", distance, "goal_distance: the encoder's own metric, or a chosen one",
      OneOf({"encoder", "l2", "cosine"}));
    v("form", form,
      "goal_distance: -d, -log(1+10d), exp(-d), -d^2, gamma*Phi'-Phi, .1*Phi' + (Phi'-Phi)",
      OneOf({"negative", "log", "exp", "squared", "difference", "mixed"}));
    v("form_gamma", form_gamma, "goal_distance: discount of the later potential in form=difference",
      InRange(0, 1));
    v("scale", scale, "multiplies the reward", AtLeast(0));
    v("demo_scale", demo_scale,
      "the demonstrations' mean start-goal distance (ranking: progress) becomes 1");
    v("head", head, "ranking: named head of the encoder file");
    v("dtype", dtype, "of the encoder's convolutions", OneOf({"float32", "bfloat16"}));
    v("timing", timing, "deferred: one batched computation a rollout; immediate: every step",
      OneOf({"deferred", "immediate"}));
    v("chunk_size", chunk_size, "frames encoded together", AtLeast(1));
    v("every", every, "reward every this many steps, the last one is held in between", AtLeast(1));
    v("wrong_goal", wrong_goal, "control: uses the demonstrations' first frames as the goal");
    v("goal", goal, "what the goal is");
    v("classifier", classifier, "online expert-versus-policy classifier added to any reward");
  }
};

std::vector<std::string> RewardNames();  // goal_distance, pixel_l2, ranking, true
std::string RewardDoc(const std::string& name);

// UserError naming the key when options contradict each other (a goal for a reward that has none,
// an online part with immediate rewards, ...). Every function below calls it.
void CheckRewardOptions(const RewardOptions& options);
// UserError when the reward reads the picture of every step and env.render_every is not 1.
void RequireEveryPicture(const RewardOptions& options, int64_t render_every);
// The encoder a reward reads, loaded with options.dtype. `path` empty: pixel_l2 gets the shrunk
// picture itself, `true` null; UserError naming what is missing for the others.
std::shared_ptr<const Encoder> MakeRewardEncoder(const RewardOptions& options,
                                                 const std::filesystem::path& path,
                                                 const torch::Device& device);
// `encoder` may be null only for rewards that need none (true, pixel_l2); UserError names what is
// missing.
std::unique_ptr<RewardModel> MakeRewardModel(const RewardOptions& options,
                                             std::shared_ptr<const Encoder> encoder,
                                             const torch::Device& device);
// Embeds demonstrations by label (good, near_miss, random). Frames may be of any size. Empty for
// `true`. UserError when no clip is labelled good. A null `encoder` as in MakeRewardModel.
DemoFeatures EmbedDemos(const RewardOptions& options, const Encoder* encoder, const ClipSet& clips);
// The env whose `reward` is learned. `reward` must be calibrated. `seed` feeds the online parts. A
// null `encoder` as in MakeRewardModel. UserError: an env without pictures or with those of some steps only, goal.kind=env with an
// env that draws no goal picture, an env whose reward is learned already. The rows of a rollout are
// the steps since the last FinishRollout; a Reset() in between ends an episode and drops nothing.
std::unique_ptr<VectorEnv> MakeLearnedRewardEnv(std::unique_ptr<VectorEnv> env,
                                                std::shared_ptr<const Encoder> encoder,
                                                std::unique_ptr<RewardModel> reward,
                                                const RewardOptions& options, uint64_t seed);

}  // namespace v2r
