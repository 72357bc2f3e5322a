// The checkpoint of an unfinished pretraining run: it lies beside the encoder file and goes when
// that is written.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "core/safetensors.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/options.h"

namespace v2r {

// Everything that decides the result of a run: "pretrain.learning_rate" -> "0.001", "encoder.arch"
// -> "conv4", "data" -> hash. What only decides how often something is written (checkpoint_every,
// log_every) or measured (monitor_linear) is left out.
using RunSettings = std::map<std::string, std::string>;
RunSettings SettingsOf(const PretrainOptions& options, const EncoderSpec& spec,
                       const ClipSet& clips);

// encoder.safetensors -> encoder.checkpoint.safetensors
std::filesystem::path CheckpointPath(const std::filesystem::path& encoder_path);
// Atomic.
void SaveCheckpoint(const std::filesystem::path& path, const StateDict& state,
                    const RunSettings& settings);
// Nothing when there is no such file. UserError: not a checkpoint, or of other settings: names the
// first that differs.
std::optional<StateDict> LoadCheckpoint(const std::filesystem::path& path,
                                        const RunSettings& settings);

}  // namespace v2r
