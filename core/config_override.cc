#include <algorithm>
#include <cctype>

#include "core/config.h"
#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

constexpr const char* kSyntax =
    "write key=value to set a value or to select a group, +key=value to add a key, ~key to delete "
    "one";

// Splits at the commas that are outside of brackets and quotes.
std::vector<std::string> SplitTopLevel(const std::string& text, const std::string& word) {
  std::vector<std::string> parts(1);
  std::string open;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{' || c == '(') {
      open += c;
    } else if (c == ']' || c == '}' || c == ')') {
      const char opener = c == ']' ? '[' : c == '}' ? '{' : '(';
      if (open.empty() || open.back() != opener) {
        ThrowUser("command line: '{}': '{}' closes nothing", word, c);
      }
      open.pop_back();
    } else if (c == ',' && open.empty()) {
      parts.emplace_back();
      continue;
    }
    parts.back() += c;
  }
  if (quote != 0) ThrowUser("command line: '{}': a quote is not closed", word);
  if (!open.empty()) ThrowUser("command line: '{}': '{}' is not closed", word, open.back());
  return parts;
}

class Interpolator {
 public:
  explicit Interpolator(ConfigNode& root) : root_(root) {}

  void Resolve(ConfigNode& node) {
    if (node.is_map()) {
      for (auto& [key, value] : node.entries()) Resolve(value);
    } else if (node.is_list()) {
      std::vector<ConfigNode> items = node.items();
      const bool any = std::any_of(items.begin(), items.end(), [](const ConfigNode& item) {
        return !item.is_scalar() || item.text().find("${") != std::string::npos;
      });
      if (!any) return;
      for (auto& item : items) Resolve(item);
      node = ConfigNode::List(std::move(items), node.origin());
    } else if (node.is_scalar() && node.text().find("${") != std::string::npos) {
      node = Substitute(node);
    }
  }

 private:
  ConfigNode Substitute(const ConfigNode& node) {
    const std::string text = node.text();
    const Origin origin = node.origin();
    std::string result;
    size_t position = 0;
    while (true) {
      const size_t start = text.find("${", position);
      if (start == std::string::npos) break;
      const size_t end = text.find('}', start);
      if (end == std::string::npos) {
        ThrowUser("{}: '{}': '${{' is not closed by '}}'", origin.ToString(), text);
      }
      const std::string path(Trim(std::string_view(text).substr(start + 2, end - start - 2)));
      const ConfigNode target = Lookup(path, origin);
      if (start == 0 && end + 1 == text.size()) return Rehome(target, origin);
      if (!target.is_scalar()) {
        ThrowUser("{}: '{}': '{}' is not a single value and cannot be part of a text",
                  origin.ToString(), text, path);
      }
      result += text.substr(position, start - position) + target.text();
      position = end + 1;
    }
    return ConfigNode::Scalar(result + text.substr(position), origin, node.quoted());
  }

  // The target with everything in it resolved.
  ConfigNode Lookup(const std::string& path, const Origin& origin) {
    if (std::find(stack_.begin(), stack_.end(), path) != stack_.end()) {
      std::vector<std::string> cycle = stack_;
      cycle.push_back(path);
      ThrowUser("{}: interpolation runs in a circle: {}", origin.ToString(), Join(cycle, " -> "));
    }
    stack_.push_back(path);
    ConfigNode* node = &root_;
    std::string walked;
    for (const auto& key : Split(path, '.')) {
      // A map on the way may itself be written as ${...}; in a circle its own path is on the stack.
      if (node->is_scalar()) *node = ResolvedAt(walked, *node, origin);
      ConfigNode* child = node->is_map() ? node->Find(key) : nullptr;
      if (child == nullptr) {
        std::vector<std::string> names;
        for (const auto& [name, value] : node->entries()) names.push_back(name);
        ThrowUser("{}: ${{{}}}: there is no '{}'{}{}", origin.ToString(), path, key,
                  walked.empty() ? "" : " in '" + walked + "'", DidYouMean(key, names));
      }
      node = child;
      walked += (walked.empty() ? "" : ".") + key;
    }
    Resolve(*node);
    stack_.pop_back();
    return *node;
  }

  ConfigNode ResolvedAt(const std::string& path, const ConfigNode& node, const Origin& origin) {
    if (node.text().find("${") == std::string::npos) return node;
    return Lookup(path, origin);
  }

  // The same value, standing where it was asked for.
  static ConfigNode Rehome(const ConfigNode& node, const Origin& origin) {
    if (node.is_list()) {
      std::vector<ConfigNode> items;
      for (const auto& item : node.items()) items.push_back(Rehome(item, origin));
      return ConfigNode::List(std::move(items), origin);
    }
    if (node.is_map()) {
      ConfigNode map = ConfigNode::Map(origin);
      for (const auto& [key, value] : node.entries()) map.Set(key, Rehome(value, origin));
      return map;
    }
    return ConfigNode::Scalar(node.text(), origin, node.quoted());
  }

  ConfigNode& root_;
  std::vector<std::string> stack_;
};

}  // namespace

Override ParseOverride(const std::string& word) {
  Override result;
  std::string_view rest = word;
  if (rest.starts_with('~')) {
    result.op = Override::Op::kDelete;
    result.key = rest.substr(1);
    if (const size_t equals = word.find('='); equals != std::string::npos) {
      ThrowUser("command line: '{}': a deletion has no value; write {}", word,
                word.substr(0, equals));
    }
  } else {
    if (rest.starts_with('+')) {
      result.op = Override::Op::kAdd;
      rest.remove_prefix(1);
    }
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) {
      ThrowUser("command line: '{}' is not understood: {}", word, kSyntax);
    }
    result.key = rest.substr(0, equals);
    result.value = rest.substr(equals + 1);
  }
  for (const auto& part : Split(result.key, '.')) {
    const bool good = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '/';
    });
    if (!good || part.starts_with('-')) {
      ThrowUser("command line: '{}': '{}' is no key: {}", word, result.key, kSyntax);
    }
  }
  return result;
}

std::vector<std::vector<std::string>> ExpandSweep(const std::vector<std::string>& words) {
  std::vector<std::vector<std::string>> runs(1);
  for (const auto& word : words) {
    const Override parsed = ParseOverride(word);
    std::vector<std::string> choices = {word};
    if (parsed.op != Override::Op::kDelete) {
      choices = SplitTopLevel(parsed.value, word);
      for (auto& choice : choices) {
        if (choices.size() > 1 && Trim(choice).empty()) {
          ThrowUser("command line: '{}': one of the values to sweep over is empty", word);
        }
        choice = (parsed.op == Override::Op::kAdd ? "+" : "") + parsed.key + "=" + choice;
      }
    }
    std::vector<std::vector<std::string>> longer;
    for (const auto& run : runs) {
      for (const auto& choice : choices) {
        longer.push_back(run);
        longer.back().push_back(choice);
      }
    }
    runs = std::move(longer);
  }
  return runs;
}

void Interpolate(ConfigNode& root) { Interpolator(root).Resolve(root); }

}  // namespace v2r
