#include "core/config.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

bool IsNullWord(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// True when YAML readers would take the plain text for something else than a string.
bool LooksTyped(std::string_view text) {
  if (IsNullWord(text)) return true;
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  for (const char* word : {"true", "false", "yes", "no", "on", "off", ".inf", ".nan", "inf", "nan",
                           "-.inf", "+.inf", "-inf", "+inf"}) {
    if (lower == word) return true;
  }
  std::string_view digits = text;
  if (digits.front() == '+') digits.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error != std::errc::invalid_argument && end == digits.data() + digits.size();
}

bool NeedsQuotes(std::string_view text) {
  constexpr std::string_view kNotFirst = "-?:,[]{}#&*!|>'\"%@`<=";
  if (text.empty() || Trim(text).size() != text.size()) return true;
  if (kNotFirst.find(text.front()) != std::string_view::npos) return true;
  if (text.back() == ':' || text.find(": ") != std::string_view::npos ||
      text.find(" #") != std::string_view::npos) {
    return true;
  }
  return std::any_of(text.begin(), text.end(), [](char c) {
    return std::string_view(",[]{}\"").find(c) != std::string_view::npos ||
           static_cast<uint8_t>(c) < 0x20 || c == 0x7F;
  });
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
          out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string ScalarYaml(const std::string& text, bool quoted) {
  if (LooksTyped(text)) return quoted ? Quoted(text) : text;  // "64" the string, 64 the number
  return NeedsQuotes(text) ? Quoted(text) : text;
}

std::string FlowYaml(const ConfigNode& node) {
  std::vector<std::string> parts;
  switch (node.kind()) {
    case ConfigNode::Kind::kNull:
      return "null";
    case ConfigNode::Kind::kScalar:
      return ScalarYaml(node.text(), node.quoted());
    case ConfigNode::Kind::kList:
      for (const auto& item : node.items()) parts.push_back(FlowYaml(item));
      return "[" + Join(parts, ", ") + "]";
    case ConfigNode::Kind::kMap:
      for (const auto& [key, value] : node.entries()) {
        parts.push_back(ScalarYaml(key, false) + ": " + FlowYaml(value));
      }
      return "{" + Join(parts, ", ") + "}";
  }
  V2R_CHECK(false, "kind {}", static_cast<int>(node.kind()));
  return "";
}

void BlockYaml(const ConfigNode& map, int indent, std::string& out) {
  for (const auto& [key, value] : map.entries()) {
    out += std::string(static_cast<size_t>(indent), ' ') + ScalarYaml(key, false) + ":";
    if (value.is_map() && !value.entries().empty()) {
      out += "\n";
      BlockYaml(value, indent + 2, out);
    } else {
      out += " " + FlowYaml(value) + "\n";
    }
  }
}

}  // namespace

std::string Origin::ToString() const {
  return line > 0 ? fmt::format("{}:{}:{}", source, line, column) : source;
}

ConfigNode ConfigNode::Scalar(std::string text, Origin origin, bool quoted) {
  ConfigNode node;
  node.kind_ = !quoted && IsNullWord(text) ? Kind::kNull : Kind::kScalar;
  if (node.kind_ == Kind::kScalar) node.text_ = std::move(text);
  node.quoted_ = quoted;
  node.origin_ = std::move(origin);
  return node;
}

ConfigNode ConfigNode::List(std::vector<ConfigNode> items, Origin origin) {
  ConfigNode node;
  node.kind_ = Kind::kList;
  node.items_ = std::move(items);
  node.origin_ = std::move(origin);
  return node;
}

ConfigNode ConfigNode::Map(Origin origin) {
  ConfigNode node;
  node.kind_ = Kind::kMap;
  node.origin_ = std::move(origin);
  return node;
}

const ConfigNode* ConfigNode::Find(const std::string& key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

ConfigNode* ConfigNode::Find(const std::string& key) {
  return const_cast<ConfigNode*>(std::as_const(*this).Find(key));
}

const ConfigNode* ConfigNode::FindPath(const std::string& path) const {
  const ConfigNode* node = this;
  for (const auto& key : Split(path, '.')) {
    node = node->Find(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

void ConfigNode::Set(const std::string& key, ConfigNode value) {
  V2R_CHECK(is_map() || is_null(), "Set('{}') on a value that is no map ({})", key,
            origin_.ToString());
  kind_ = Kind::kMap;
  if (ConfigNode* old = Find(key); old != nullptr) {
    *old = std::move(value);
  } else {
    entries_.emplace_back(key, std::move(value));
  }
}

void ConfigNode::SetPath(const std::string& path, ConfigNode value) {
  const auto keys = Split(path, '.');
  ConfigNode* node = this;
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    ConfigNode* child = node->Find(keys[i]);
    if (child == nullptr || !child->is_map()) {
      node->Set(keys[i], Map(value.origin()));
      child = node->Find(keys[i]);
    }
    node = child;
  }
  node->Set(keys.back(), std::move(value));
}

bool ConfigNode::ErasePath(const std::string& path) {
  const size_t dot = path.rfind('.');
  const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
  const ConfigNode* parent = dot == std::string::npos ? this : FindPath(path.substr(0, dot));
  if (parent == nullptr) return false;
  return std::erase_if(const_cast<ConfigNode*>(parent)->entries_,
                       [&](const Entry& entry) { return entry.first == key; }) > 0;
}

void ConfigNode::MergeFrom(const ConfigNode& over) {
  if (!is_map() || !over.is_map()) {
    *this = ConfigNode(over);
    return;
  }
  origin_ = over.origin_;
  for (const auto& [key, value] : over.entries_) {
    if (ConfigNode* old = Find(key); old != nullptr) {
      old->MergeFrom(value);
    } else {
      entries_.emplace_back(key, value);
    }
  }
}

std::string ConfigNode::ToYaml() const {
  if (!is_map() || entries_.empty()) return FlowYaml(*this);
  std::string out;
  BlockYaml(*this, 0, out);
  return out;
}

}  // namespace v2r
