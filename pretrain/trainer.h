// Pretraining from a set of clips to an encoder file.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/options.h"

namespace v2r {

std::vector<std::string> PretrainMethodNames();
std::string PretrainMethodDoc(const std::string& name);

struct PretrainResult {
  std::filesystem::path encoder_path;
  Metrics final_metrics;   // last loss, effective dimensions, ...
  double seconds = 0;
  bool interrupted = false;
};

struct PretrainCallbacks {
  std::function<void(int64_t step, const Metrics&)> on_metrics;
};

// Trains on `clips` (labels as the options say) and writes `encoder_path` atomically at the end. With checkpoint_every > 0 a checkpoint
// lies beside it and an interrupted run continues from there bit for bit when called again with the same options. Data-dependent
// initialisation of the embedding first; a collapse (effective dimensions, embedding deviation) is a named warning.
// Interrupted (Ctrl-C): the checkpoint is written, then Interrupted is thrown.
PretrainResult Pretrain(const PretrainOptions& options, const EncoderSpec& encoder_spec, const ClipSet& clips,
                        const std::filesystem::path& encoder_path, const torch::Device& device,
                        const PretrainCallbacks& callbacks = {});

}  // namespace v2r
