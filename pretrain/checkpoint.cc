#include "pretrain/checkpoint.h"

#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"

namespace v2r {
namespace {

constexpr char kFormat[] = "v2r.pretrain_checkpoint.1";
constexpr std::string_view kSettingPrefix = "setting.";

// Names, labels, sizes and a few frames of each clip: another data set is noticed without reading
// gigabytes.
std::string DataHash(const ClipSet& clips) {
  std::string facts;
  for (const Clip& clip : clips.clips) {
    facts += fmt::format("{}|{}|{}x{}x{}|", clip.name, clip.label, clip.frames.size(0),
                         clip.frames.size(1), clip.frames.size(2));
    if (clip.target >= 0) facts += fmt::format("{}|", clip.target);
    const int64_t length = clip.frames.size(0);
    const auto bytes = static_cast<size_t>(clip.frames.numel() / length);
    for (const int64_t frame : {int64_t{0}, length / 2, length - 1}) {
      facts += HashHex(std::span(clip.frames.const_data_ptr<uint8_t>() + frame * bytes, bytes));
    }
  }
  return HashHex(facts);
}

}  // namespace

RunSettings SettingsOf(const PretrainOptions& options, const EncoderSpec& spec,
                       const ClipSet& clips) {
  RunSettings settings;
  for (const FieldDoc& row : Describe(options, "pretrain")) settings[row.path] = row.value;
  for (const FieldDoc& row : Describe(spec, "encoder")) settings[row.path] = row.value;
  settings.erase("pretrain.checkpoint_every");
  settings.erase("pretrain.log_every");
  settings.erase("pretrain.monitor_linear");
  settings["data"] = DataHash(clips);
  return settings;
}

std::filesystem::path CheckpointPath(const std::filesystem::path& encoder_path) {
  std::filesystem::path path = encoder_path;
  path.replace_extension(".checkpoint.safetensors");
  return path;
}

void SaveCheckpoint(const std::filesystem::path& path, const StateDict& state,
                    const RunSettings& settings) {
  std::map<std::string, std::string> metadata = {{"format", kFormat}};
  for (const auto& [key, value] : settings) metadata[std::string(kSettingPrefix) + key] = value;
  WriteSafetensors(path, state, metadata);
}

std::optional<StateDict> LoadCheckpoint(const std::filesystem::path& path,
                                        const RunSettings& settings) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  SafetensorsFile file = ReadSafetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    ThrowUser("{}: not a pretraining checkpoint (format {}). Move it away or choose another output",
              path.string(), format == file.metadata.end() ? "missing" : format->second);
  }
  for (const auto& [key, value] : settings) {
    const auto stored = file.metadata.find(std::string(kSettingPrefix) + key);
    const std::string was = stored == file.metadata.end() ? "unset" : stored->second;
    if (was == value) continue;
    ThrowUser(
        "{}: an unfinished run with {}={} lies here, this one has {}={}. Use the same settings to "
        "continue it, or delete the "
        "checkpoint to start anew",
        path.string(), key, was, key, value);
  }
  return std::move(file.tensors);
}

}  // namespace v2r
