#include "media/manifest.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"

namespace v2r {
namespace {

using Json = nlohmann::ordered_json;

// Takes `key` out of `object`; UserError when it is there with another type.
template <typename T>
bool Take(Json& object, const std::string& key, const std::string& where, const char* type,
          T& out) {
  const auto it = object.find(key);
  if (it == object.end()) return false;
  if (it->is_null()) {
    object.erase(key);
    return false;
  }
  bool right = false;
  if constexpr (std::is_same_v<T, std::string>) right = it->is_string();
  if constexpr (std::is_same_v<T, bool>) right = it->is_boolean();
  if constexpr (std::is_same_v<T, double>) right = it->is_number();
  if constexpr (std::is_same_v<T, int64_t>) right = it->is_number_integer();
  if (!right) ThrowUser("{}: '{}' should be {}, is {}", where, key, type, it->dump());
  out = it->get<T>();
  object.erase(key);
  return true;
}

ManifestClip ReadClip(Json item, const std::string& where) {
  if (!item.is_object()) ThrowUser("{}: should be an object with a key 'file'", where);
  ManifestClip clip;
  if (!Take(item, "file", where, "a string", clip.file) || clip.file.empty()) {
    ThrowUser("{}: 'file' is missing", where);
  }
  Take(item, "label", where, "a string", clip.label);
  const auto& labels = ClipLabels();
  if (!clip.label.empty() && std::find(labels.begin(), labels.end(), clip.label) == labels.end()) {
    ThrowUser("{} ({}): unknown label '{}'{} (known: {})", where, clip.file, clip.label,
              DidYouMean(clip.label, labels), Join(labels, ", "));
  }
  Take(item, "fps", where, "a number", clip.fps);
  Take(item, "frames", where, "a whole number", clip.frames);
  if (clip.fps < 0 || clip.frames < 0)
    ThrowUser("{} ({}): fps and frames cannot be negative", where, clip.file);
  if (double value = 0; Take(item, "return", where, "a number", value)) clip.episode_return = value;
  if (bool value = false; Take(item, "success", where, "true or false", value))
    clip.success = value;
  clip.extra = item.dump();
  return clip;
}

void AddExtra(Json& object, const std::string& extra) {
  const Json parsed = Json::parse(extra, nullptr, false);
  V2R_CHECK(parsed.is_object(), "extra is no JSON object: {}", extra);
  for (const auto& [key, value] : parsed.items()) {
    V2R_CHECK(!object.contains(key), "extra repeats the key '{}'", key);
    object[key] = value;
  }
}

}  // namespace

const std::vector<std::string>& ClipLabels() {
  static const std::vector<std::string> labels = {"good", "near_miss", "random"};
  return labels;
}

Manifest ReadManifest(const std::filesystem::path& path) {
  Json root;
  try {
    root = Json::parse(ReadFile(path));
  } catch (const nlohmann::json::exception& e) {
    ThrowUser("{}: is not valid JSON: {}", path.string(), e.what());
  }
  const auto list = root.is_object() ? root.find("clips") : root.end();
  if (!root.is_object() || list == root.end() || !list->is_array()) {
    ThrowUser("{}: should be an object with a list 'clips'", path.string());
  }
  Manifest manifest;
  std::set<std::string> seen;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string where = fmt::format("{}: clips[{}]", path.string(), i);
    manifest.clips.push_back(ReadClip((*list)[i], where));
    if (!seen.insert(manifest.clips.back().file).second) {
      ThrowUser("{}: '{}' is listed twice", where, manifest.clips.back().file);
    }
  }
  root.erase("clips");
  Take(root, "task", path.string(), "a string", manifest.task);
  if (const auto render = root.find("render"); render != root.end()) {
    const std::string where = path.string() + ": render";
    if (!render->is_object()) ThrowUser("{}: should be an object with a key 'size'", where);
    Take(*render, "size", where, "a whole number", manifest.render.size);
    Take(*render, "supersample", where, "a whole number", manifest.render.supersample);
    if (manifest.render.size < 1 || manifest.render.supersample < 1) {
      ThrowUser("{}: size and supersample must be at least 1", where);
    }
    root.erase("render");
  }
  manifest.extra = root.dump();
  return manifest;
}

void WriteManifest(const std::filesystem::path& path, const Manifest& manifest) {
  Json root = Json::object();
  root["task"] = manifest.task;
  if (manifest.render.size > 0) {
    root["render"] = {{"size", manifest.render.size}, {"supersample", manifest.render.supersample}};
  }
  root["clips"] = Json::array();
  for (const ManifestClip& clip : manifest.clips) {
    Json item = {{"file", clip.file}};
    if (!clip.label.empty()) item["label"] = clip.label;
    if (clip.fps > 0) item["fps"] = clip.fps;
    if (clip.frames > 0) item["frames"] = clip.frames;
    if (clip.episode_return) item["return"] = *clip.episode_return;
    if (clip.success) item["success"] = *clip.success;
    AddExtra(item, clip.extra);
    root["clips"].push_back(std::move(item));
  }
  AddExtra(root, manifest.extra);
  // A file name need not be UTF-8.
  WriteFileAtomic(path, root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace v2r
