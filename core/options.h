// Options binding: one struct with defaults and one Fields(visitor) member is the constructor argument, the YAML schema, the
// --help text and the docs table.
//
//   struct PpoOptions {
//     double gamma = 0.97;
//     std::string lr_schedule = "linear";
//     template <typename V> void Fields(V& v) {
//       v("gamma", gamma, "discount factor", InRange(0.0, 1.0));
//       v("lr_schedule", lr_schedule, "learning-rate schedule", OneOf({"linear", "constant"}));
//     }
//   };
//
// Field types: bool, int64_t, double, std::string, std::vector of int64_t, double or std::string, nested option structs, and
// ConfigNode: a map that somebody else binds later.
// Bind(node, options, path) rejects unknown keys (with the nearest name), wrong types and values outside their constraint, each
// with file:line:col and key path. Dump(options) gives the full tree, Describe(options) the rows of a help table.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/config.h"

namespace v2r {

// What a value must satisfy besides its type.
struct Constraint {
  std::vector<std::string> choices;  // strings only; empty = any
  bool has_min = false, has_max = false;
  double min = 0, max = 0;
};
Constraint OneOf(std::vector<std::string> choices);
Constraint InRange(double min, double max);
Constraint AtLeast(double min);

struct FieldDoc {
  std::string path;  // "agent.gamma"
  std::string type;  // "bool", "int", "float", "string", "list of int", ...
  std::string value; // as YAML
  std::string doc;
  std::string constraint;  // "one of a, b", ">= 0", ""
};

namespace internal {
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, bool& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, int64_t& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, double& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, std::string& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, std::vector<int64_t>& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, std::vector<double>& out);
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, std::vector<std::string>& out);
ConfigNode WriteScalar(bool value);
ConfigNode WriteScalar(int64_t value);
ConfigNode WriteScalar(double value);  // shortest text that reads back to the same bits
ConfigNode WriteScalar(const std::string& value);
ConfigNode WriteScalar(const std::vector<int64_t>& value);
ConfigNode WriteScalar(const std::vector<double>& value);
ConfigNode WriteScalar(const std::vector<std::string>& value);
const char* TypeName(const bool&);
const char* TypeName(const int64_t&);
const char* TypeName(const double&);
const char* TypeName(const std::string&);
const char* TypeName(const std::vector<int64_t>&);
const char* TypeName(const std::vector<double>&);
const char* TypeName(const std::vector<std::string>&);
std::string ConstraintText(const Constraint& c);
// UserError naming the first key of `node` that is not among `known`.
void RejectUnknown(const ConfigNode& node, const std::string& path, const std::vector<std::string>& known);
void RequireMap(const ConfigNode& node, const std::string& path);

struct AnyVisitor {
  template <typename T>
  void operator()(const char*, T&, const char*, const Constraint& = {}) {}
};
template <typename T>
concept HasFields = requires(T t, AnyVisitor v) { t.Fields(v); };

struct Binder {
  const ConfigNode& node;
  std::string prefix;
  std::vector<std::string> known;
  template <typename T>
  void operator()(const char* key, T& field, const char*, const Constraint& c = {}) {
    known.push_back(key);
    const ConfigNode* child = node.is_map() ? node.Find(key) : nullptr;
    if (child == nullptr) return;
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if constexpr (std::is_same_v<T, ConfigNode>) {
      if (!child->is_null()) RequireMap(*child, path);
      field = *child;
    } else if constexpr (HasFields<T>) {
      if (child->is_null()) return;
      RequireMap(*child, path);
      Binder inner{*child, path, {}};
      field.Fields(inner);
      RejectUnknown(*child, path, inner.known);
    } else {
      ReadScalar(*child, path, c, field);
    }
  }
};
struct Dumper {
  ConfigNode node = ConfigNode::Map({});
  template <typename T>
  void operator()(const char* key, T& field, const char*, const Constraint& = {}) {
    if constexpr (std::is_same_v<T, ConfigNode>) {
      node.Set(key, field);
    } else if constexpr (HasFields<T>) {
      Dumper inner;
      field.Fields(inner);
      node.Set(key, std::move(inner.node));
    } else {
      node.Set(key, WriteScalar(field));
    }
  }
};
struct Describer {
  std::string prefix;
  std::vector<FieldDoc>& rows;
  template <typename T>
  void operator()(const char* key, T& field, const char* doc, const Constraint& c = {}) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if constexpr (std::is_same_v<T, ConfigNode>) {
      rows.push_back({path, "map", "{}", doc, ""});
    } else if constexpr (HasFields<T>) {
      Describer inner{path, rows};
      field.Fields(inner);
    } else {
      rows.push_back({path, TypeName(field), WriteScalar(field).ToYaml(), doc, ConstraintText(c)});
    }
  }
};
}  // namespace internal

// Reads `node` into `options`; keys that are absent keep their defaults. UserError as said above.
template <typename Options>
void Bind(const ConfigNode& node, Options& options, const std::string& path = "") {
  if (!node.is_null()) internal::RequireMap(node, path);
  internal::Binder binder{node, path, {}};
  options.Fields(binder);
  internal::RejectUnknown(node, path, binder.known);
}
template <typename Options>
ConfigNode Dump(const Options& options) {
  internal::Dumper dumper;
  const_cast<Options&>(options).Fields(dumper);
  return dumper.node;
}
template <typename Options>
std::vector<FieldDoc> Describe(const Options& options = {}, const std::string& prefix = "") {
  std::vector<FieldDoc> rows;
  internal::Describer describer{prefix, rows};
  const_cast<Options&>(options).Fields(describer);
  return rows;
}

}  // namespace v2r
