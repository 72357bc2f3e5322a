// The options of every reward, in one tree: `v2r help reward`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "reward/head_options.h"

namespace v2r {

struct GoalOptions {
  std::string kind = "mean";
  int64_t last_frames = 1;
  double max_spread = 0.5;
  int64_t medoids = 4;

  template <typename V>
  void Fields(V& v) {
    v("kind", kind,
      "mean of the demonstrations' last frames, nearest of them, nearest of a few that stand for "
      "them (medoids), or the env's goal picture",
      OneOf({"mean", "nearest", "medoids", "env"}));
    v("last_frames", last_frames, "frames at a demonstration's end that show the goal", AtLeast(1));
    v("max_spread", max_spread,
      "a mean goal is refused when goal spread / start-goal distance is larger", AtLeast(0));
    v("medoids", medoids, "kind=medoids: how many last frames stand for all of them", AtLeast(1));
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

// optimal_transport (reward/optimal_transport.h).
struct TransportOptions {
  double epsilon = 0.01;
  int64_t iterations = 100;
  int64_t context = 1;
  int64_t mask = 0;

  template <typename V>
  void Fields(V& v) {
    v("epsilon", epsilon, "weight of the entropy, in the unit of the distance", AtLeast(1e-4));
    v("iterations", iterations, "Sinkhorn iterations", AtLeast(1));
    v("context", context, "frames from each on whose distances are averaged (TemporalOT: 3)",
      AtLeast(1));
    v("mask", mask,
      "frames are matched with demonstration frames at most this far from the same share of the "
      "way (TemporalOT: 10), 0 = with all",
      AtLeast(0));
  }
};

// potential, value_difference (reward/potential.h).
struct PotentialOptions {
  std::string of = "goal_distance";
  double gamma = 0.99;

  template <typename V>
  void Fields(V& v) {
    v("of", of, "the reward of single pictures that is the potential Phi (value_difference: V)",
      OneOf({"goal_distance", "pixel_l2", "ranking", "progress", "goal_classifier"}));
    v("gamma", gamma, "potential: discount of the later potential, should be the agent's",
      InRange(0, 1));
  }
};

// nearest_neighbour, tcn_tracking (reward/tracking.h).
struct TrackingOptions {
  int64_t min_step = 0;
  int64_t max_step = 3;
  double progress = 1.0;
  int64_t demo = 0;
  double alpha = 1.0;
  double beta = 1.0;
  double gamma = 0.1;

  template <typename V>
  void Fields(V& v) {
    v("min_step", min_step,
      "nearest_neighbour: demonstration frames the match moves on at least each step", AtLeast(0));
    v("max_step", max_step, "nearest_neighbour: and at most", AtLeast(1));
    v("progress", progress,
      "nearest_neighbour: weight of the share of the demonstration that is still to come",
      AtLeast(0));
    v("demo", demo, "tcn_tracking: which good demonstration is followed, counted from 0",
      AtLeast(0));
    v("alpha", alpha, "tcn_tracking: weight of the squared distance", AtLeast(0));
    v("beta", beta, "tcn_tracking: weight of sqrt(gamma + squared distance)", AtLeast(0));
    v("gamma", gamma, "tcn_tracking: rounds the tip of that root", AtLeast(0));
  }
};

// ensemble (reward/ensemble.h).
struct EnsembleOptions {
  std::string of = "goal_distance";
  std::vector<std::string> encoders;
  std::string combine = "mean";
  double std_weight = 1.0;

  template <typename V>
  void Fields(V& v) {
    v("of", of, "the reward that each encoder gives");
    v("encoders", encoders, "encoder files besides encoder.path");
    v("combine", combine,
      "the members' mean, their minimum, or mean - std_weight * standard deviation (lower)",
      OneOf({"mean", "minimum", "lower"}));
    v("std_weight", std_weight, "combine=lower: deviations below the mean", AtLeast(0));
  }
};

// sum (reward/sum.h).
struct SumOptions {
  std::vector<std::string> parts;
  std::vector<double> weights;

  template <typename V>
  void Fields(V& v) {
    v("parts", parts,
      "rewards that are added up; success is 1 at steps the task calls a success: the truth, which "
      "no reward but this reads");
    v("weights", weights, "one weight a part");
  }
};

// Guards around any learned reward (reward/guard.h).
struct GuardOptions {
  std::vector<double> clip;
  bool monitor = false;
  double penalty = 0.0;
  double percentile = 99.0;

  template <typename V>
  void Fields(V& v) {
    v("clip", clip,
      "[low, high]: the reward is clipped to these percentiles of the good demonstrations' own "
      "rewards, [] = off");
    v("monitor", monitor,
      "report how far pictures are from the nearest demonstration picture (reward/ood, "
      "reward/ood_share)");
    v("penalty", penalty, "reward -= penalty * max(0, ood - 1), 0 = off", AtLeast(0));
    v("percentile", percentile,
      "ood is 1 at this percentile of the demonstrations' distances to the other demonstrations",
      InRange(50, 100));
  }
};

struct RewardOptions {
  std::string name = "ranking";
  std::string distance = "encoder";
  std::string form = "negative";
  double form_gamma = 1.0;
  double scale = 1.0;
  bool demo_scale = true;
  std::string head;
  std::string dtype = "float32";
  std::string timing = "deferred";
  int64_t chunk_size = 256;
  int64_t every = 1;
  bool wrong_goal = false;
  GoalOptions goal;
  ProgressRewardOptions progress;
  GoalClassifierRewardOptions goal_classifier;
  TransportOptions transport;
  PotentialOptions potential;
  TrackingOptions tracking;
  EnsembleOptions ensemble;
  SumOptions sum;
  GuardOptions guard;
  ClassifierOptions classifier;

  template <typename V>
  void Fields(V& v) {
    v("name", name, "reward model, see `v2r list rewards`");
    v("distance", distance, "between embeddings: the encoder's own metric, or a chosen one",
      OneOf({"encoder", "l2", "cosine"}));
    v("form", form,
      "goal_distance: -d, -log(1+10d), exp(-d), -d^2, gamma*Phi'-Phi, .1*Phi' + (Phi'-Phi)",
      OneOf({"negative", "log", "exp", "squared", "difference", "mixed"}));
    v("form_gamma", form_gamma, "goal_distance: discount of the later potential in form=difference",
      InRange(0, 1));
    v("scale", scale, "multiplies the reward", AtLeast(0));
    v("demo_scale", demo_scale,
      "the demonstrations' mean start-goal distance (of a head: its rise) becomes 1");
    v("head", head,
      "ranking, progress, goal_classifier: head of the encoder file; empty: rank, progress, goal");
    v("dtype", dtype, "of the encoder's convolutions", OneOf({"float32", "bfloat16"}));
    v("timing", timing, "deferred: one batched computation a rollout; immediate: every step",
      OneOf({"deferred", "immediate"}));
    v("chunk_size", chunk_size, "frames encoded together", AtLeast(1));
    v("every", every, "reward every this many steps, the last one is held in between", AtLeast(1));
    v("wrong_goal", wrong_goal, "control: uses the demonstrations' first frames as the goal");
    v("goal", goal, "what the goal is");
    v("progress", progress, "progress");
    v("goal_classifier", goal_classifier, "goal_classifier");
    v("transport", transport, "optimal_transport");
    v("potential", potential, "potential, value_difference");
    v("tracking", tracking, "nearest_neighbour, tcn_tracking");
    v("ensemble", ensemble, "ensemble of several encoders");
    v("sum", sum, "sum of several rewards");
    v("guard", guard, "clipping and distance to the demonstrations, for any learned reward");
    v("classifier", classifier, "online expert-versus-policy classifier added to any reward");
  }
};

}  // namespace v2r
