// Pretraining from a set of clips to an encoder file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
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
  Metrics final_metrics;     // the last row given to on_metrics
  double seconds = 0;        // of this call
  int64_t resumed_from = 0;  // iteration of the checkpoint it continued from, 0 = from the start
};

struct PretrainCallbacks {
  // Every log_every iterations and at the last one (with iterations=0: once, at step 0):
  // pretrain/loss (mean since the row before), pretrain/learning_rate, the method's own numbers, with
  // fp16 pretrain/grad_scale and pretrain/skipped_steps,
  // pretrain/effective_dims, pretrain/embedding_std, pretrain/embedding_spread, pretrain/collapsed,
  // pretrain/knn_acc and pretrain/linear_acc (pretrain/monitor.h) where there are classes,
  // time/samples_per_second, time/loader_share (of the time, spent waiting for pictures).
  std::function<void(int64_t step, const Metrics&)> on_metrics;
};

// Trains on `clips` (labels as the options say) and writes `encoder_path` atomically at the end.
// Data-dependent initialisation of fresh weights first; a collapse (effective dimensions, embedding
// deviation) is a named warning, once. iterations=0 writes the initialised net without heads. Heads
// of an init_from file are kept only while its encoder stays frozen. A checkpoint lies beside the
// encoder file (every checkpoint_every iterations, and after Ctrl-C, whereupon Interrupted is
// thrown) until that is written: called again with the same options, the run continues from there
// bit for bit (same torch threads); a checkpoint of other options or clips is refused with a
// UserError that names the setting. `info` goes into the encoder file besides method, iterations,
// seed and clips ("data": the data set's name, ...). UserError: unknown method, labels or clips
// that do not fit, a loss that is not finite, the disk.
PretrainResult Pretrain(const PretrainOptions& options, const EncoderSpec& encoder_spec,
                        const ClipSet& clips, const std::filesystem::path& encoder_path,
                        const torch::Device& device, const PretrainCallbacks& callbacks = {},
                        const std::map<std::string, std::string>& info = {});

}  // namespace v2r
