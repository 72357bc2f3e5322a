// The encoder file: one safetensors file, tensors "net.*" and "head.NAME.*", everything else in its
// metadata.

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "models/encoder.h"
#include "models/encoder_part.h"
#include "models/init.h"
#include "models/spec_json.h"

namespace v2r {
namespace {

// What a spec has since there are transformers, and since weights are imported.
const std::set<std::string> kNewerKeys = {
    "patch_size", "positions", "stem",      "depth",       "heads",   "drop_path",
    "background", "cls_token", "registers", "layer_scale", "variant", "sk_ratio",
    "norm"};

constexpr const char* kFormat = "v2r-encoder";
constexpr const char* kVersion = "1";
constexpr const char* kHeadKey = "head.";
constexpr const char* kInfoKey = "info.";
constexpr const char* kPartKey = "part.";

void CheckName(const char* what, const std::string& name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  if (!good) ThrowUser("a {}'s name must be letters, digits, _ and -, is '{}'", what, name);
}

const std::string& Metadata(const SafetensorsFile& file, const std::string& key,
                            const std::string& path) {
  const auto it = file.metadata.find(key);
  if (it == file.metadata.end())
    ThrowUser("{}: damaged encoder file: its metadata lacks '{}'", path, key);
  return it->second;
}

void LoadInto(torch::nn::Module& module, const StateDict& state, const std::string& what) {
  for (const auto& [name, blob] : state) {
    if (blob.dtype != DType::kF32 && blob.dtype != DType::kI64) {
      ThrowUser("{}: tensor '{}' has type {}, expected F32", what, name, Name(blob.dtype));
    }
  }
  const TensorDict tensors = ToTensors(state);
  LoadModuleState(module, tensors, what);
  for (const auto& [name, tensor] : tensors) {
    if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>()) {
      ThrowUser("{}: tensor '{}' has infinite or NaN values", what, name);
    }
  }
}

// Read, with format and version looked at.
SafetensorsFile ReadEncoderFile(const std::filesystem::path& path) {
  const std::string name = path.string();
  SafetensorsFile file = ReadSafetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    ThrowUser(
        "{} is not an encoder file (its metadata has no format={}): write one with `v2r pretrain`",
        name, kFormat);
  }
  if (const auto& version = Metadata(file, "version", name); version != kVersion) {
    ThrowUser(
        "{} has encoder file version {}; this program reads version {}: update v2r, or pretrain "
        "again",
        name, version, kVersion);
  }
  return file;
}

}  // namespace

void SaveEncoder(const std::filesystem::path& path, EncoderNetImpl& net,
                 const std::map<std::string, Head>& heads,
                 const std::map<std::string, std::string>& info) {
  SaveEncoder(path, net, heads, info, {});
}

void SaveEncoder(const std::filesystem::path& path, EncoderNetImpl& net,
                 const std::map<std::string, Head>& heads,
                 const std::map<std::string, std::string>& info, const EncoderParts& parts) {
  StateDict tensors;
  Merge(tensors, "net", ToStateDict(ModuleState(net)));
  std::map<std::string, std::string> metadata = {
      {"format", kFormat}, {"version", kVersion}, {"spec", ToJsonText(net.spec())}};
  for (const auto& [name, head] : heads) {
    CheckName("head", name);
    Merge(tensors, kHeadKey + name, ToStateDict(ModuleState(*head)));
    metadata[kHeadKey + name] = ToJsonText(head->spec());
  }
  for (const auto& [name, part] : parts) {
    CheckName("part", name);
    Merge(tensors, kPartKey + name, ToStateDict(part.tensors));
    metadata[kPartKey + name] = part.spec;
  }
  for (const auto& [key, value] : info) metadata[kInfoKey + key] = value;
  WriteSafetensors(path, tensors, metadata);
}

EncoderFile LoadEncoderFile(const std::filesystem::path& path) {
  const std::string name = path.string();
  const SafetensorsFile file = ReadEncoderFile(path);
  EncoderFile result;
  Rng unused(0);
  const auto spec =
      FromJsonText<EncoderSpec>(Metadata(file, "spec", name), name + " (spec)", kNewerKeys);
  try {
    result.net = BlankEncoderNet(spec);
  } catch (const UserError& error) {
    ThrowUser("{}: {}", name, error.what());
  }
  LoadInto(*result.net, Under(file.tensors, "net"), name + " (net)");
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(kInfoKey)) result.info[key.substr(std::string(kInfoKey).size())] = value;
    if (!key.starts_with(kHeadKey)) continue;
    const std::string head = key.substr(std::string(kHeadKey).size());
    const std::string what = fmt::format("{} (head {})", name, head);
    auto module = std::make_shared<HeadImpl>(FromJsonText<HeadSpec>(value, what, {"norm"}), unused);
    LoadInto(*module, Under(file.tensors, key), what);
    result.heads[head] = module;
  }
  for (const auto& [key, blob] : file.tensors) {
    const auto parts = Split(key, '.');
    const bool named = parts.size() > 2;
    const bool known = parts[0] == "net" ||
                       (parts[0] == "head" && named && result.heads.contains(parts[1])) ||
                       (parts[0] == "part" && named && file.metadata.contains(kPartKey + parts[1]));
    if (!known)
      ThrowUser(
          "{}: tensor '{}' belongs neither to the net nor to a head or part the file declares",
          name, key);
  }
  return result;
}

EncoderParts LoadEncoderParts(const std::filesystem::path& path) {
  const SafetensorsFile file = ReadEncoderFile(path);
  EncoderParts parts;
  for (const auto& [key, value] : file.metadata) {
    if (!key.starts_with(kPartKey)) continue;
    const std::string name = key.substr(std::string(kPartKey).size());
    parts[name] = {value, ToTensors(Under(file.tensors, key))};
  }
  return parts;
}

Encoder LoadEncoder(const std::filesystem::path& path, const torch::Device& device,
                    const std::string& dtype) {
  EncoderFile file = LoadEncoderFile(path);
  return MakeEncoder(file.net, file.heads, device, dtype, std::move(file.info));
}

}  // namespace v2r
