#include "app/train.h"
#include "core/config.h"
#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

constexpr char kFormat[] = "v2r.checkpoint.1";

}  // namespace

void SaveCheckpoint(const std::filesystem::path& run, const std::string& name,
                    const Runner& runner) {
  StateDict state;
  runner.SaveState(state);
  const std::filesystem::path folder = run / "checkpoints" / name;
  MakeDirectories(folder);
  WriteSafetensors(folder / "state.safetensors", state,
                   {{"format", kFormat}, {"step", std::to_string(runner.step())}});
}

StateDict LoadCheckpoint(const std::filesystem::path& run, const std::string& name) {
  const std::filesystem::path path = run / "checkpoints" / name / "state.safetensors";
  if (!std::filesystem::exists(path)) {
    ThrowUser("{}: no checkpoint '{}' (looked for {})", run.string(), name, path.string());
  }
  SafetensorsFile file = ReadSafetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    ThrowUser("{}: not a checkpoint of this program (format '{}', expected '{}')", path.string(),
              format == file.metadata.end() ? "" : format->second, kFormat);
  }
  return std::move(file.tensors);
}

TrainOptions LoadRunOptions(const std::filesystem::path& run) {
  const std::filesystem::path path = run / "config.yaml";
  if (!std::filesystem::exists(path))
    ThrowUser("{}: not a run directory (no config.yaml)", run.string());
  TrainOptions options;
  Bind(LoadYaml(path), options);
  return options;
}

}  // namespace v2r
