// Options of the methods that learn from the order of a film's frames. Where a released recipe has
// a name for one, it has that name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace v2r {

struct VipOptions {
  double gamma = 0.98;
  int64_t num_negatives = 0;
  std::string similarity = "l2";
  bool rescale = false;
  double l2weight = 0.001;
  double l1weight = 0.001;

  template <typename V>
  void Fields(V& v) {
    v("gamma", gamma, "discount of the value", InRange(0, 0.9999));
    v("num_negatives", num_negatives,
      "transitions of other samples set against each goal (VIP 0 or 3, LIV 3)", InRange(0, 64));
    v("similarity", similarity, "the value is minus the L2 distance (VIP) or the cosine (LIV)",
      OneOf({"l2", "cosine"}));
    v("rescale", rescale, "values divided by 1 - gamma, as LIV does");
    v("l2weight", l2weight, "weight of the embeddings' mean L2 norm (LIV 0)", AtLeast(0));
    v("l1weight", l1weight, "weight of their mean L1 norm (LIV 0)", AtLeast(0));
  }
};

struct R3mOptions {
  double tcnweight = 1;
  double l2weight = 1e-5;
  double l1weight = 1e-5;
  int64_t num_negatives = 3;
  std::string similarity = "l2";
  double alpha = 0.2;

  template <typename V>
  void Fields(V& v) {
    v("tcnweight", tcnweight, "weight of the time-contrastive term", AtLeast(0));
    v("l2weight", l2weight, "weight of the embeddings' mean L2 norm", AtLeast(0));
    v("l1weight", l1weight, "weight of their mean L1 norm", AtLeast(0));
    v("num_negatives", num_negatives, "frames of other samples that each frame is set against",
      InRange(0, 64));
    v("similarity", similarity, "minus the L2 distance, or the cosine", OneOf({"l2", "cosine"}));
    v("alpha", alpha,
      "share of a clip at either end that start and end frame come from (only the norms see them), "
      "0 = without them",
      InRange(0, 0.5));
  }
};

struct TccOptions {
  std::string loss_type = "regression_mse";
  std::string similarity = "l2";
  bool normalize_embeddings = false;
  bool learnable_temp = false;
  bool stochastic_matching = false;
  int64_t cycle_length = 2;
  int64_t num_cycles = 0;
  double label_smoothing = 0.1;
  double variance_lambda = 0.001;
  double huber_delta = 0.1;
  bool normalize_indices = true;

  template <typename V>
  void Fields(V& v) {
    v("loss_type", loss_type, "what is asked of the frame that a cycle comes back to",
      OneOf({"regression_mse", "regression_mse_var", "regression_huber", "classification"}));
    v("similarity", similarity, "minus the squared L2 distance, or the dot product",
      OneOf({"l2", "cosine"}));
    v("normalize_embeddings", normalize_embeddings,
      "embeddings of unit length, squared distances not divided by their dimension");
    v("learnable_temp", learnable_temp,
      "embeddings multiplied by a learned factor, e at the start");
    v("stochastic_matching", stochastic_matching,
      "random cycles of one query frame each instead of all pairs of clips");
    v("cycle_length", cycle_length, "stochastic_matching: clips a cycle goes through",
      InRange(2, 64));
    v("num_cycles", num_cycles, "stochastic_matching: cycles a batch, 0 = as many as frames",
      AtLeast(0));
    v("label_smoothing", label_smoothing, "classification: spread over the other frames",
      InRange(0, 0.99));
    v("variance_lambda", variance_lambda, "regression_mse_var: weight of the log variance",
      AtLeast(0));
    v("huber_delta", huber_delta, "regression_huber: where it turns linear", AtLeast(1e-6));
    v("normalize_indices", normalize_indices, "regression: times as shares of the clip's length");
  }
};

struct ProgressOptions {
  std::vector<int64_t> hidden = {128};
  bool normalize = true;
  bool whole_clips = false;

  template <typename V>
  void Fields(V& v) {
    v("hidden", hidden, "hidden layers of the head");
    v("normalize", normalize,
      "progress runs from 0 to 1 and is as sure as the stretch is long; false: in steps, deviation "
      "1");
    v("whole_clips", whole_clips, "start and goal are a clip's first and last frame always");
  }
};

struct TemporalOptions {
  int64_t clip_frames = 16;
  bool shared_augment = true;
  double rewind = 0;
  // TCN
  std::string tcn_loss = "triplet";
  double margin = 2.0;
  int64_t positive_window = 2;
  int64_t negative_window = 8;
  double embedding_length = 0;
  int64_t num_pairs = 2;
  double reg_lambda = 0.002;
  // temporal distance
  double distance_scale = 10.0;
  double goal_share = 0.4;
  bool cross_clip_goals = true;
  // ranking
  std::vector<int64_t> rank_hidden = {128};
  double rank_regulariser = 1e-3;
  VipOptions vip;
  TccOptions tcc;
  R3mOptions r3m;
  ProgressOptions progress;
  // goal classifier
  int64_t goal_frames = 1;
  // LIFS
  double recon_weight = 1;

  template <typename V>
  void Fields(V& v) {
    v("clip_frames", clip_frames,
      "tcc, lifs, tcn_loss=xirl_hinge: frames of one clip in a batch, whose samples are clips",
      AtLeast(2));
    v("shared_augment", shared_augment,
      "vip, r3m, tcc, progress, lifs: the frames of a sample are augmented alike");
    v("rewind", rewind,
      "share of samples seen while the film runs backward (ReWiND): a stack's past frames are the "
      "following ones; vip: the stretch's start becomes its goal",
      InRange(0, 1));
    v("tcn_loss", tcn_loss,
      "tcn: squared-L2 triplet hinge, XIRL's cross-entropy or hinge over frames, N-pairs",
      OneOf({"triplet", "xirl", "xirl_hinge", "npairs"}));
    v("margin", margin, "tcn: margin of the hinge (xirl_hinge: of the distance / temperature)",
      AtLeast(0));
    v("positive_window", positive_window,
      "tcn: positives lie within this many steps; xirl_hinge: this many away", AtLeast(1));
    v("negative_window", negative_window, "tcn: negatives lie farther than this many steps",
      AtLeast(1));
    v("embedding_length", embedding_length,
      "tcn: embeddings are scaled to this length, 0 = as they are (kekeblom/tcn 10)", AtLeast(0));
    v("num_pairs", num_pairs, "tcn_loss=xirl_hinge: positives and negatives a frame",
      InRange(1, 64));
    v("reg_lambda", reg_lambda, "tcn_loss=npairs: weight of the embeddings' squares", AtLeast(0));
    v("distance_scale", distance_scale, "tdist: steps that make one unit of distance",
      AtLeast(1e-3));
    v("goal_share", goal_share, "tdist: share of pairs whose second frame is a last frame",
      InRange(0, 1));
    v("cross_clip_goals", cross_clip_goals,
      "tdist: one fixed goal, last frames of other good clips; false: of the own");
    v("rank_hidden", rank_hidden, "ranking: hidden layers of the head");
    v("rank_regulariser", rank_regulariser, "ranking: weight of u^2", AtLeast(0));
    v("vip", vip, "vip: its value and its norms");
    v("tcc", tcc, "tcc: its cycles");
    v("r3m", r3m, "r3m: its terms");
    v("progress", progress, "progress: its head and labels");
    v("goal_frames", goal_frames, "goal_classifier: last frames of a clip that are the goal",
      AtLeast(1));
    v("recon_weight", recon_weight, "lifs: weight of the pictures' reconstruction", AtLeast(0));
  }
};

}  // namespace v2r
