#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/config.h"
#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

const char* const kDefaultsKey = "defaults";
const char* const kSelf = "_self_";
const char* const kExperiment = "experiment";

// The words of one override's value: flow collections and quoted texts are YAML, all else is taken
// as it stands.
ConfigNode ParseValue(const Override& item) {
  const std::string_view text = Trim(item.value);
  const Origin origin{"command line"};
  if (text.empty()) return ConfigNode::Scalar("", origin, /*quoted=*/true);
  if (std::string_view("[{\"'").find(text.front()) == std::string_view::npos) {
    return ConfigNode::Scalar(std::string(text), origin);
  }
  const ConfigNode node = ParseYaml(std::string(text), "command line: " + item.key);
  // Columns inside a word of the command line help nobody.
  struct Plain {
    Origin origin;
    ConfigNode operator()(const ConfigNode& n) const {
      if (n.is_list()) {
        std::vector<ConfigNode> items;
        for (const auto& child : n.items()) items.push_back((*this)(child));
        return ConfigNode::List(std::move(items), origin);
      }
      if (n.is_map()) {
        ConfigNode map = ConfigNode::Map(origin);
        for (const auto& [key, value] : n.entries()) map.Set(key, (*this)(value));
        return map;
      }
      return ConfigNode::Scalar(n.text(), origin, n.quoted());
    }
  };
  return Plain{origin}(node);
}

struct Selection {
  std::string name;  // empty: nothing is selected
  Origin origin;
};

// One entry of a `defaults:` list.
struct Default {
  std::string group;  // empty: `name` is a file of the same folder, or _self_
  std::string name;
  Origin origin;
};

struct ConfigFile {
  std::vector<Default> defaults;
  ConfigNode body;
};

class Composer {
 public:
  Composer(const std::vector<fs::path>& roots, const std::vector<std::string>& words)
      : roots_(roots) {
    for (const auto& word : words) overrides_.push_back({ParseOverride(word), false});
  }

  ConfigNode Compose(const std::string& root_name) {
    SelectFromCommandLine();
    const ConfigFile root = LoadNamed("", root_name, {"command line"}, "config");
    for (const auto& item : root.defaults) {
      if (item.group == kExperiment) selected_.try_emplace(kExperiment, item.name, item.origin);
    }
    ConfigNode experiment = ConfigNode::Map({});
    if (const auto it = selected_.find(kExperiment);
        it != selected_.end() && !it->second.name.empty()) {
      const Selection chosen = it->second;
      experiment = ComposeExperiment(chosen.name, chosen.origin);
    }
    ConfigNode tree = ComposeBody(root, "", "");
    AddRemainingSelections(tree);
    tree.MergeFrom(experiment);
    for (const auto& item : overrides_) {
      if (!item.used) Apply(item.parsed, tree);
    }
    return tree;
  }

 private:
  struct Item {
    Override parsed;
    bool used = false;
  };

  // ---- files

  std::optional<fs::path> FindFile(const fs::path& folder, const std::string& name) const {
    for (const auto& root : roots_) {
      fs::path path = root / folder / (name + ".yaml");
      std::error_code error;
      if (fs::is_regular_file(path, error)) return path;
    }
    return std::nullopt;
  }

  std::vector<std::string> OptionsIn(const fs::path& folder) const {
    std::set<std::string> names;
    for (const auto& root : roots_) {
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(root / folder, error)) {
        if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
      }
    }
    return {names.begin(), names.end()};
  }

  bool IsGroup(const fs::path& folder) const { return !OptionsIn(folder).empty(); }

  ConfigFile LoadNamed(const fs::path& folder, const std::string& name, const Origin& origin,
                       const std::string& kind) const {
    const auto path = FindFile(folder, name);
    if (!path) {
      const auto names = OptionsIn(folder);
      std::vector<std::string> places;
      for (const auto& root : roots_) places.push_back((root / folder).string());
      ThrowUser("{}: there is no {} '{}'{} (known: {}; looked in {})", origin.ToString(), kind,
                name, DidYouMean(name, names), names.empty() ? "none" : Join(names, ", "),
                Join(places, ", "));
    }
    ConfigFile file;
    file.body = LoadYaml(*path);
    if (file.body.is_null()) file.body = ConfigNode::Map({path->string(), 1, 1});
    if (!file.body.is_map()) {
      ThrowUser("{}: a config file holds `key: value` lines", file.body.origin().ToString());
    }
    if (const ConfigNode* list = file.body.Find(kDefaultsKey); list != nullptr) {
      file.defaults = ReadDefaults(*list);
      file.body.ErasePath(kDefaultsKey);
    }
    return file;
  }

  static std::vector<Default> ReadDefaults(const ConfigNode& list) {
    constexpr const char* kForm = "`defaults` is a list of `group: name` and `_self_`";
    if (!list.is_list()) ThrowUser("{}: {}", list.origin().ToString(), kForm);
    std::vector<Default> result;
    std::set<std::string> seen;
    for (const auto& item : list.items()) {
      Default entry{"", "", item.origin()};
      if (item.is_scalar()) {
        entry.name = item.text();
      } else if (item.is_map() && item.entries().size() == 1 &&
                 (item.entries()[0].second.is_scalar() || item.entries()[0].second.is_null())) {
        entry.group = item.entries()[0].first;
        entry.name = item.entries()[0].second.text();
        entry.origin = item.entries()[0].second.origin();
      } else {
        ThrowUser("{}: {}", item.origin().ToString(), kForm);
      }
      if (!seen.insert(entry.group.empty() ? " " + entry.name : entry.group).second) {
        ThrowUser("{}: '{}' stands twice in `defaults`", entry.origin.ToString(),
                  entry.group.empty() ? entry.name : entry.group);
      }
      result.push_back(std::move(entry));
    }
    return result;
  }

  // ---- selections

  // Group `name` as it is meant in a file of `folder`: a folder inside that one, else a folder of
  // the root.
  fs::path GroupFolder(const fs::path& folder, std::string group) const {
    std::replace(group.begin(), group.end(), '.', '/');
    if (IsGroup(folder / group)) return folder / group;
    if (IsGroup(group)) return group;
    return fs::path(group).filename();
  }

  // What the value of an override selects in a group; turns `item` into GROUP.path=value where it
  // names a file.
  std::optional<Selection> SelectBy(Item& item, const fs::path& folder) const {
    const ConfigNode value = ParseValue(item.parsed);
    if (!value.is_scalar() && !value.is_null()) return std::nullopt;
    const std::string& name = value.text();
    if (name.empty() || FindFile(folder, name)) return Selection{name, value.origin()};
    std::error_code error;
    if (name.ends_with(".safetensors") || name.ends_with(".yaml") || fs::exists(name, error)) {
      item.parsed.key += ".path";
      return std::nullopt;
    }
    const auto names = OptionsIn(folder);
    ThrowUser("command line: {}={}: '{}' is neither an option of '{}'{} nor a file (options: {})",
              item.parsed.key, item.parsed.value, name, item.parsed.key, DidYouMean(name, names),
              Join(names, ", "));
  }

  void SelectFromCommandLine() {
    for (auto& item : overrides_) {
      const std::string& key = item.parsed.key;
      if (item.parsed.op == Override::Op::kDelete || key.find('.') != std::string::npos ||
          !IsGroup(key)) {
        continue;
      }
      if (auto selection = SelectBy(item, key)) {
        selected_.insert_or_assign(key, *selection);
        item.used = true;
      }
    }
  }

  // The selection that holds for the group at `full`, the default of the file unless something
  // overrides it.
  Selection Choose(const Default& entry, const std::string& full, const fs::path& folder) {
    Selection chosen{entry.name, entry.origin};
    if (const auto it = selected_.find(full); it != selected_.end()) chosen = it->second;
    for (auto& item : overrides_) {
      if (item.used || item.parsed.op == Override::Op::kDelete || item.parsed.key != full) continue;
      if (auto selection = SelectBy(item, folder)) {
        chosen = *selection;
        item.used = true;
      }
    }
    consumed_.insert(full);
    return chosen;
  }

  void AddRemainingSelections(ConfigNode& tree) {
    for (const auto& [group, selection] : selected_) {
      if (group == kExperiment || consumed_.contains(group) || selection.name.empty()) continue;
      const fs::path folder = GroupFolder("", group);
      ConfigNode wrapped = ConfigNode::Map({});
      wrapped.SetPath(group, ComposeFile(folder, selection.name, group, selection.origin));
      tree.MergeFrom(wrapped);
    }
  }

  // ---- composition

  ConfigNode ComposeFile(const fs::path& folder, const std::string& name, const std::string& prefix,
                         const Origin& origin) {
    const std::string id = (folder / name).string();
    if (std::find(stack_.begin(), stack_.end(), id) != stack_.end()) {
      ThrowUser("{}: the defaults run in a circle: {} -> {}", origin.ToString(),
                Join(stack_, " -> "), id);
    }
    stack_.push_back(id);
    const ConfigFile file =
        LoadNamed(folder, name, origin, fmt::format("option of '{}' named", folder.string()));
    ConfigNode result = ComposeBody(file, folder, prefix);
    stack_.pop_back();
    return result;
  }

  // A file's defaults in order, its own values where `_self_` stands, or last.
  ConfigNode ComposeBody(const ConfigFile& file, const fs::path& folder,
                         const std::string& prefix) {
    ConfigNode result = ConfigNode::Map(file.body.origin());
    bool self_done = false;
    for (const auto& entry : file.defaults) {
      if (entry.group.empty() && entry.name == kSelf) {
        result.MergeFrom(file.body);
        self_done = true;
      } else if (entry.group.empty()) {
        result.MergeFrom(ComposeFile(folder, entry.name, prefix, entry.origin));
      } else if (prefix.empty() && entry.group == kExperiment) {
        continue;
      } else {
        const std::string full = prefix.empty() ? entry.group : prefix + "." + entry.group;
        const fs::path group_folder = GroupFolder(folder, entry.group);
        const Selection chosen = Choose(entry, full, group_folder);
        if (chosen.name.empty()) continue;
        ConfigNode wrapped = ConfigNode::Map({});
        wrapped.SetPath(entry.group, ComposeFile(group_folder, chosen.name, full, chosen.origin));
        result.MergeFrom(wrapped);
      }
    }
    if (!self_done) result.MergeFrom(file.body);
    return result;
  }

  // An experiment's values go on top of the tree; its defaults select groups, below the command
  // line. Selections of the file itself come before those of the files it builds on.
  ConfigNode ComposeExperiment(const std::string& name, const Origin& origin) {
    if (std::find(stack_.begin(), stack_.end(), name) != stack_.end()) {
      ThrowUser("{}: the experiments run in a circle: {} -> {}", origin.ToString(),
                Join(stack_, " -> "), name);
    }
    stack_.push_back(name);
    const ConfigFile file = LoadNamed(kExperiment, name, origin, kExperiment);
    for (const auto& entry : file.defaults) {
      if (entry.group.empty()) continue;
      if (entry.group == kExperiment) {
        ThrowUser("{}: to build on another experiment write `- {}`", entry.origin.ToString(),
                  entry.name);
      }
      selected_.try_emplace(entry.group, entry.name, entry.origin);
    }
    ConfigNode result = ConfigNode::Map(file.body.origin());
    for (const auto& entry : file.defaults) {
      if (!entry.group.empty() || entry.name == kSelf) continue;
      result.MergeFrom(ComposeExperiment(entry.name, entry.origin));
    }
    result.MergeFrom(file.body);
    stack_.pop_back();
    return result;
  }

  static void Apply(const Override& item, ConfigNode& tree) {
    if (item.op == Override::Op::kDelete) {
      if (tree.ErasePath(item.key)) return;
      const size_t dot = item.key.rfind('.');
      const ConfigNode* parent =
          dot == std::string::npos ? &tree : tree.FindPath(item.key.substr(0, dot));
      std::vector<std::string> names;
      if (parent != nullptr) {
        for (const auto& [name, value] : parent->entries()) names.push_back(name);
      }
      ThrowUser("command line: ~{}: there is no such key{}", item.key,
                DidYouMean(dot == std::string::npos ? item.key : item.key.substr(dot + 1), names));
    }
    // A value that stands where a section is meant would be lost without a word.
    for (size_t dot = item.key.find('.'); dot != std::string::npos;
         dot = item.key.find('.', dot + 1)) {
      const ConfigNode* node = tree.FindPath(item.key.substr(0, dot));
      if (node != nullptr && (node->is_scalar() || node->is_list())) {
        ThrowUser("command line: {}: '{}' is a value ({}), not a section", item.key,
                  item.key.substr(0, dot), node->origin().ToString());
      }
    }
    tree.SetPath(item.key, ParseValue(item));
  }

  const std::vector<fs::path>& roots_;
  std::vector<Item> overrides_;
  std::map<std::string, Selection> selected_;
  std::set<std::string> consumed_;
  std::vector<std::string> stack_;
};

}  // namespace

ConfigNode ComposeConfig(const std::vector<fs::path>& roots, const std::string& root_name,
                         const std::vector<std::string>& overrides) {
  ConfigNode tree = Composer(roots, overrides).Compose(root_name);
  Interpolate(tree);
  return tree;
}

}  // namespace v2r
