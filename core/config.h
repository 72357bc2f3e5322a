// The config tree: YAML with file, line and column on every value, groups composed by a `defaults:` list, overrides from the
// command line, interpolation. Unknown keys are found when the tree is bound to an options struct (core/options.h).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace v2r {

// Where a value came from: "configs/agent/ppo.yaml:3:5", "command line", "default".
struct Origin {
  std::string source = "default";
  int line = 0;  // 1-based, 0 = no line
  int column = 0;
  std::string ToString() const;
};

class ConfigNode {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };
  using Entry = std::pair<std::string, ConfigNode>;

  ConfigNode() = default;
  static ConfigNode Scalar(std::string text, Origin origin, bool quoted = false);
  static ConfigNode List(std::vector<ConfigNode> items, Origin origin);
  static ConfigNode Map(Origin origin);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_scalar() const { return kind_ == Kind::kScalar; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_map() const { return kind_ == Kind::kMap; }
  const Origin& origin() const { return origin_; }
  const std::string& text() const { return text_; }
  bool quoted() const { return quoted_; }
  const std::vector<ConfigNode>& items() const { return items_; }
  const std::vector<Entry>& entries() const { return entries_; }  // in file order
  std::vector<Entry>& entries() { return entries_; }

  // Map access. Find returns null when absent; Set replaces or appends; paths are dotted ("agent.gamma").
  const ConfigNode* Find(const std::string& key) const;
  ConfigNode* Find(const std::string& key);
  const ConfigNode* FindPath(const std::string& path) const;
  void Set(const std::string& key, ConfigNode value);
  void SetPath(const std::string& path, ConfigNode value);  // makes maps on the way
  bool ErasePath(const std::string& path);
  // Deep merge: maps key by key, anything else is replaced by `over`.
  void MergeFrom(const ConfigNode& over);
  std::string ToYaml() const;

 private:
  Kind kind_ = Kind::kNull;
  Origin origin_;
  std::string text_;
  bool quoted_ = false;
  std::vector<ConfigNode> items_;
  std::vector<Entry> entries_;
};

// Parses YAML text or file. Duplicate keys, merge keys and anchors are UserErrors with file:line:col.
ConfigNode ParseYaml(const std::string& text, const std::string& source);
ConfigNode LoadYaml(const std::filesystem::path& path);

// Command-line words after the command's own flags:
//   key=value   sets an existing key (or selects a group: env=reach loads configs/env/reach.yaml under `env`)
//   +key=value  adds a key that the files do not have      ~key  deletes one
//   key=a,b,c   with multirun: one run for each value (product over keys)
struct Override {
  enum class Op { kSet, kAdd, kDelete } op = Op::kSet;
  std::string key;
  std::string value;
};
Override ParseOverride(const std::string& word);
// {"a=1,2", "b=x"} -> {{"a=1","b=x"},{"a=2","b=x"}}. Commas inside [] {} () or quotes do not split.
std::vector<std::vector<std::string>> ExpandSweep(const std::vector<std::string>& words);

// Composes a tree: the root file, its `defaults:` (list of `group: name`, or `_self_`), then the group selections among the overrides,
// then the other overrides in order, then ${a.b} interpolation. `roots` are searched in order for ROOT.yaml and GROUP/NAME.yaml.
// A file's own values stand where `_self_` stands, or last. A group's file may have defaults too: `group: name` is then merged under
// that group (looked for in GROUP/group, then in group; selected by `GROUP.group=name`), a plain `name` is a file of the same folder
// to build on. `experiment=NAME` merges experiment/NAME.yaml at the root of the tree after the defaults, which its own `defaults`
// change; the command line comes last. A key that the files do not have is set all the same: Bind rejects it.
// A selection that names no file but an existing path, or ends in .safetensors / .yaml, is set as the value `GROUP.path`
// (encoder=runs/a.safetensors). UserErrors name the nearest group or option.
ConfigNode ComposeConfig(const std::vector<std::filesystem::path>& roots, const std::string& root_name,
                         const std::vector<std::string>& overrides);
void Interpolate(ConfigNode& root);  // cycles and missing targets are UserErrors

}  // namespace v2r
