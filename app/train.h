// One training run: demonstrations -> encoder -> reward -> agent -> evaluation, video, report.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agents/runner.h"
#include "app/options.h"

namespace v2r {

struct TrainOutcome {
  std::filesystem::path run;
  std::filesystem::path demos;
  std::filesystem::path encoder;
  std::filesystem::path video;  // last evaluation video, or empty
  std::filesystem::path report;
  std::string agent;  // its size and the code it ran through
  int64_t steps = 0;
  double seconds = 0;        // of training, evaluation and recording
  double fps = 0;            // steps / seconds
  EvalResult eval;           // the last policy, options.eval.episodes episodes
  double random_return = 0;  // uniform random actions, same episodes
  double random_success = 0;
};

// Runs to the end. Interrupted (Ctrl-C) is thrown after the checkpoint `last` is written.
TrainOutcome Train(const TrainOptions& options, const std::vector<std::string>& overrides);
// Continues a run directory from checkpoints/last, bit for bit. `overrides` may change
// total_timesteps and device only.
TrainOutcome ResumeTraining(const std::filesystem::path& run,
                            const std::vector<std::string>& overrides);

// checkpoints/NAME/state.safetensors of a run: everything Runner saves, plus reward state. Written
// atomically.
void SaveCheckpoint(const std::filesystem::path& run, const std::string& name,
                    const Runner& runner);
// UserError: no checkpoint, corrupt, of another run's shape.
StateDict LoadCheckpoint(const std::filesystem::path& run, const std::string& name);
// Reads config.yaml of a run directory. UserError when it is none.
TrainOptions LoadRunOptions(const std::filesystem::path& run);

}  // namespace v2r
