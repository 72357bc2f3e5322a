// How good a reward is on labelled films, without an environment: what `v2r reward` prints and
// draws.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "models/encoder.h"
#include "reward/make.h"

namespace v2r {

struct RewardReportOptions {
  double held_out = 0.3;
  double near = 0.07;
  double top_share = 0.01;
  int64_t stride = 3;
  double camera_degrees = 2.0;
  double light = 0.1;
  int64_t seed = 1;

  template <typename V>
  void Fields(V& v) {
    v("held_out", held_out,
      "share of the good clips, the last ones, that the reward is not calibrated with and is "
      "judged "
      "by",
      InRange(0.01, 0.9));
    v("near", near, "metres: states nearer to the goal than this are near", AtLeast(0));
    v("top_share", top_share, "share of best-rewarded states whose true distance is averaged",
      InRange(0, 1));
    v("stride", stride, "every how many frames Kendall's tau and cycle consistency look",
      AtLeast(1));
    v("camera_degrees", camera_degrees, "robustness: each frame is turned by up to +- this",
      InRange(0, 45));
    v("light", light, "robustness: each frame's brightness is multiplied by 1 +- up to this",
      InRange(0, 1));
    v("seed", seed, "seed of shuffles and disturbances", AtLeast(0));
  }
};

struct ReportClip {
  std::string name, label;            // good, near_miss or random
  torch::Tensor frames;               // uint8 [L,H,W,3]
  std::vector<double> true_distance;  // of each frame in metres, NaN = unknown; or empty
};

struct ReportMeasure {
  std::string key, title;
  double value;              // NaN: not measurable here
  std::string wanted;        // "" = only told
  int verdict = 0;           // 1 within what is wanted, -1 outside, 0 no such limit
  std::string Text() const;  // of the value: three digits, counts whole, "n/a"
};

struct RewardReport {
  struct Curve {
    std::string name, label;
    bool calibrated = false;      // the reward knows this clip
    std::vector<double> rewards;  // after steps 1 .. L-1
  };
  std::string name;   // what the caller calls this reward
  std::string error;  // why it was refused; nothing else is set then
  std::vector<ReportMeasure> measures;
  std::vector<Curve> curves;
  std::vector<std::pair<double, double>>
      truth;  // (true distance, reward), of clips not calibrated with
  const ReportMeasure* Find(const std::string& key) const;  // null when it is not there
  // NaN for a key that is not there.
  double Value(const std::string& key) const;
};

// Calibrates the reward of `options` (JudgedReward of it: no classifier, a difference by its
// potential; a sum's success is 0) with the first good clips and measures it on the others:
//   voc_*          Spearman of reward and time (GVL, arXiv:2411.04549); the same of the frames
//                  backwards and shuffled; what remains with the wrong goal
//   tau, cycle_*   XIRL's alignment of the embeddings (learn/alignment.h), on all good clips
//   auroc_*, order good against near_miss and random by mean and last reward; Spearman of the mean
//                  reward with random < near_miss < good (ReWiND, arXiv:2505.10911)
//   camera, light  by how much VOC falls when each frame is turned, or lit otherwise
//   collapse       effective dimensions, deviation of the unit vectors, goal spread
//   truth          where the clips carry it, see reward/quality.h
// UserError: fewer than two good clips, reward.name=true, what calibration refuses.
RewardReport MeasureReward(const std::string& name, const RewardOptions& options,
                           std::shared_ptr<const Encoder> encoder, const torch::Device& device,
                           const std::vector<ReportClip>& clips, const RewardReportOptions& report);

// Reports side by side: one line a measure, one column a report.
std::string ReportTable(const std::vector<RewardReport>& reports);

}  // namespace v2r
