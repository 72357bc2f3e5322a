// v2r reward: how good rewards are on labelled films, encoders side by side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "reward/make.h"
#include "reward/report.h"

namespace v2r {

struct ReportEncoders {
  std::string path;
  std::vector<std::string> more;
  bool pixels = true;

  template <typename V>
  void Fields(V& v) {
    v("path", path, "encoder file (encoder=FILE is short for encoder.path=FILE)");
    v("more", more, "encoder files to put beside it");
    v("pixels", pixels,
      "put raw pixels beside them: the same reward with pixel_l2 in the place of goal_distance");
  }
};

struct ReportFilms {
  std::string path;
  int64_t max_clips = 0;

  template <typename V>
  void Fields(V& v) {
    v("path", path,
      "folder of films labelled good, near_miss and random (data=FOLDER), as `v2r demos` makes it");
    v("max_clips", max_clips, "clips a label at most, in their order, 0 = all", AtLeast(0));
  }
};

struct RewardCommandOptions {
  std::string out = "reward_report";
  std::string device = "auto";
  int64_t torch_threads = 0;
  ReportFilms data;
  ReportEncoders encoder;
  RewardOptions reward;
  RewardReportOptions report;

  template <typename V>
  void Fields(V& v) {
    v("out", out, "folder for reward_report.html and reward_report.json");
    v("device", device, "auto, cpu, cuda or cuda:N");
    v("torch_threads", torch_threads, "intra-op threads, 0 = number of cores", AtLeast(0));
    v("data", data, "labelled films");
    v("encoder", encoder, "whose embeddings the reward reads");
    v("reward", reward, "the reward");
    v("report", report, "how it is measured");
  }
};

// One report an encoder (and one of raw pixels), in the order given; an encoder that the reward
// refuses has its reason in `error`. Writes reward_report.json and reward_report.html (one page,
// pictures inline) into options.out. UserError: no data, no encoder for a reward that needs one,
// every report refused.
std::vector<RewardReport> ReportRewards(const RewardCommandOptions& options);

}  // namespace v2r
