// v2r evaluate: how good an encoder is on labelled pictures, beside the same network untrained and
// raw pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/options.h"
#include "learn/tsne.h"
#include "media/clips.h"
#include "pretrain/evaluate.h"

namespace v2r {

struct EvaluatedEncoder {
  std::string path;

  template <typename V>
  void Fields(V& v) {
    v("path", path, "encoder file to evaluate (encoder=FILE is short for encoder.path=FILE)");
  }
};

struct EvaluateCommandOptions {
  std::string out = "evaluation";
  std::string device = "auto";
  int64_t torch_threads = 0;
  DataOptions data;
  DataOptions test_data;
  EvaluatedEncoder encoder;
  bool baselines = true;
  int64_t strips = 8;
  TsneOptions tsne;
  EvaluateOptions evaluate;

  EvaluateCommandOptions() { test_data.split = "test"; }

  template <typename V>
  void Fields(V& v) {
    v("out", out,
      "folder for scores.json, neighbours.png (a test picture and its nearest training pictures a "
      "row), embedding.svg (first two principal components of the test pictures) and tsne.svg");
    v("device", device, "auto, cpu, cuda or cuda:N");
    v("torch_threads", torch_threads, "intra-op threads, 0 = number of cores", AtLeast(0));
    v("data", data, "labelled training pictures (data=PATH is short for data.path=PATH)");
    v("test_data", test_data,
      "labelled test pictures (test_data=PATH); without a path those of data.path; clips without "
      "classes are their own");
    v("encoder", encoder, "what is evaluated");
    v("baselines", baselines,
      "also score the same network untrained (as pretrain=random_init leaves it) and raw pixels");
    v("strips", strips, "rows of neighbours.png, 0 = no pictures at all", AtLeast(0));
    v("tsne", tsne, "tsne.svg: t-SNE of the test pictures");
    v("evaluate", evaluate, "measures");
  }
};

struct Evaluation {
  LabelledData data;  // pictures at the encoder's size
  std::vector<Scores> rows;
};

// Reads the data and the encoder, scores, writes the files of options.out. UserError: what is
// missing or does not fit.
Evaluation EvaluateEncoder(const EvaluateCommandOptions& options);
// The table that the command prints.
std::string ScoreTable(const Evaluation& evaluation, const EvaluateOptions& options);

}  // namespace v2r
