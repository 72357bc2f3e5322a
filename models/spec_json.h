// Option structs as JSON text: what an encoder file keeps of its spec and its heads.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/config.h"
#include "core/error.h"
#include "core/options.h"

namespace v2r {
namespace internal {
struct JsonWriter {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  template <typename T>
  void operator()(const char* key, T& field, const char*, const Constraint& = {}) {
    json[key] = field;
  }
};
}  // namespace internal

template <typename Options>
std::string ToJsonText(const Options& options) {
  internal::JsonWriter writer;
  const_cast<Options&>(options).Fields(writer);
  return writer.json.dump();
}

// Strict: every key must be there but those of `newer`, which files of before do not have and which
// keep their defaults then; none more, of the right type and within its range. UserError beginning
// with `what`.
template <typename Options>
Options FromJsonText(const std::string& text, const std::string& what,
                     const std::set<std::string>& newer = {}) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) ThrowUser("{} is not a JSON object", what);
  Options options;
  internal::JsonWriter known;
  options.Fields(known);
  for (const auto& [key, value] : known.json.items()) {
    if (!json.contains(key) && !newer.contains(key)) ThrowUser("{} lacks the key '{}'", what, key);
  }
  Bind(ParseYaml(json.dump(1), what), options);
  return options;
}

}  // namespace v2r
