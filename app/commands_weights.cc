// Commands that bring weights in and out: import, export.
#include <iostream>

#include "app/commands.h"
#include "app/load.h"
#include "app/policy_export.h"
#include "app/weights_options.h"
#include "core/error.h"
#include "core/text.h"
#include "models/import.h"

namespace v2r {
namespace {

// By their beginnings: "head.mlp.0.weight", "head.mlp.0.bias" -> "head.* (2)".
std::string Grouped(const std::vector<std::string>& names, const std::string& prefix) {
  std::map<std::string, int64_t> groups;
  for (const std::string& name : names) {
    const bool inside = !prefix.empty() && name.starts_with(prefix);
    const std::string rest = inside ? name.substr(prefix.size()) : name;
    const auto parts = Split(rest, '.');
    // Beside the network it takes more of the name to say what it is.
    const size_t shown = std::min<size_t>(parts.size(), inside ? 1 : 3);
    const std::string start = Join({parts.data(), shown}, ".");
    ++groups[(inside ? prefix : "") + start + (shown < parts.size() ? ".*" : "")];
  }
  std::vector<std::string> texts;
  for (const auto& [group, count] : groups) {
    texts.push_back(count == 1 ? group : fmt::format("{} ({})", group, count));
  }
  return Join(texts, ", ");
}

std::string Describe(const EncoderSpec& spec) {
  std::string text = spec.arch;
  if (spec.width != 1) text += fmt::format(", width {:g}", spec.width);
  if (spec.arch.starts_with("vit")) {
    text += fmt::format(", patches of {}, positions {}", spec.patch_size, spec.positions);
    if (spec.registers > 0) text += fmt::format(", {} registers", spec.registers);
    if (spec.layer_scale > 0) text += ", layer scale";
    if (spec.heads > 0) text += fmt::format(", {} heads", spec.heads);
  } else {
    if (spec.variant != "torchvision") text += ", " + spec.variant;
    if (spec.stem != "patch") text += ", " + spec.stem + " stem";
  }
  return text;
}

}  // namespace

int ImportCommand(const std::string& file, const Words& overrides) {
  const auto options = LoadOptions<ImportCommandOptions>("import", overrides);
  const ImportResult result = ImportWeights(file, options.import);
  const WeightsSource& source = result.source;
  const EncoderSpec& spec = result.net->spec();
  std::map<std::string, std::string> info = {
      {"method", "import"},
      {"format", source.format},
      {"data", std::filesystem::path(file).filename().string()}};
  if (!source.network.empty()) info["network"] = source.network;
  SaveEncoder(options.out, *result.net, {}, info);
  std::cout << fmt::format("read:    {} ({})\n", file, result.container)
            << fmt::format("format:  {}{}, prefix '{}'\n", source.format,
                           source.network.empty() ? "" : " " + source.network, source.prefix)
            << fmt::format("network: {}, embedding {}\n", Describe(spec), result.net->output_dim())
            << fmt::format("input:   {0}x{0} {1}, mean [{2}], std [{3}], distance {4}\n",
                           spec.input_size, spec.resize, fmt::join(spec.mean, ", "),
                           fmt::join(spec.std, ", "), spec.metric)
            << fmt::format("loaded:  {} tensors; missing 0, unexpected 0, other shape 0\n",
                           result.loaded.size());
  if (!result.positions.empty()) std::cout << "resized: positions, " << result.positions << "\n";
  if (!result.dropped.empty()) {
    std::cout << fmt::format("left out: {} tensors: {}\n", result.dropped.size(),
                             Grouped(result.dropped, source.prefix));
  }
  if (!result.skipped.empty()) {
    std::cout << "not run: "
              << Join(std::vector<std::string>(result.skipped.begin(), result.skipped.end()), ", ")
              << "\n";
  }
  std::cout << "encoder: " << options.out << "\n";
  return 0;
}

int ExportCommand(const std::string& file, const Words& overrides) {
  const auto options = LoadOptions<ExportCommandOptions>("export", overrides);
  if (std::filesystem::is_directory(file)) {
    if (options.names != ExportCommandOptions().names)
      ThrowUser("names={}: a policy's tensors have one set of names; leave it out", options.names);
    ExportPolicy(file, options.out);
    std::cout << "policy: " << options.out << "\n";
    return 0;
  }
  const EncoderFile encoder = LoadEncoderFile(file);
  const auto written = ExportWeights(*encoder.net, options.names, options.out);
  std::cout << fmt::format("{} tensors under {}'s names: {}\n", written.size(), options.names,
                           options.out);
  if (!encoder.heads.empty()) {
    std::vector<std::string> heads;
    for (const auto& [name, head] : encoder.heads) heads.push_back(name);
    std::cout << "left out: heads " << Join(heads, ", ") << "\n";
  }
  return 0;
}

}  // namespace v2r
