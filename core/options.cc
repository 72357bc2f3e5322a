#include "core/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

[[noreturn]] void Fail(const ConfigNode& node, const std::string& path, const std::string& what) {
  ThrowUser("{}: {} {}", node.origin().ToString(), path, what);
}

[[noreturn]] void WrongType(const ConfigNode& node, const std::string& path,
                            const std::string& wanted) {
  std::string hint;
  const std::string& text = node.text();
  const bool list = wanted.starts_with("list");
  if (node.is_scalar() && node.quoted() && !list) {
    hint = " (a quoted text; take the quotes away)";
  } else if (node.is_scalar() && text.find(',') != std::string::npos) {
    hint = list ? fmt::format(" (write [{}])", text)
                : std::string(" (to run once for each value add --multirun)");
  } else if (node.is_scalar() && list) {
    hint = fmt::format(" (write [{}])", text);
  }
  const std::string shown = node.is_map()    ? "a section"
                            : node.is_list() ? "a list"
                            : node.is_null() ? "empty"
                                             : "'" + text + "'";
  Fail(node, path, fmt::format("should be {}, is {}{}", wanted, shown, hint));
}

bool ParseDouble(std::string_view text, double& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  bool negative = false;
  std::string_view digits = text;
  if (digits.starts_with('-')) {
    negative = true;
    digits.remove_prefix(1);
  }
  if (digits == ".inf" || digits == "inf") {
    out = negative ? -INFINITY : INFINITY;
    return true;
  }
  if (text == ".nan" || text == "nan") {
    out = NAN;
    return true;
  }
  if (digits.empty() ||
      !(std::isdigit(static_cast<unsigned char>(digits[0])) || digits[0] == '.')) {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// "64", "-3", and what is a whole number in floating point: "1e6".
bool ParseInt(std::string_view text, int64_t& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return true;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  double number = 0;
  if (text.find_first_of("eE") == std::string_view::npos || !ParseDouble(text, number))
    return false;
  if (number != std::floor(number) || std::fabs(number) > kExact) return false;
  out = static_cast<int64_t>(number);
  return true;
}

void RequireRange(const ConfigNode& node, const std::string& path, const Constraint& c,
                  double value) {
  const bool low = c.has_min && !(value >= c.min);
  const bool high = c.has_max && !(value <= c.max);
  if (low || high) {
    Fail(node, path, fmt::format("should be {}, is {}", internal::ConstraintText(c), node.text()));
  }
}

void RequireChoice(const ConfigNode& node, const std::string& path, const Constraint& c,
                   const std::string& value) {
  if (c.choices.empty() ||
      std::find(c.choices.begin(), c.choices.end(), value) != c.choices.end()) {
    return;
  }
  Fail(node, path,
       fmt::format("should be {}, is '{}'{}", internal::ConstraintText(c), value,
                   DidYouMean(value, c.choices)));
}

template <typename T>
void ReadList(const ConfigNode& node, const std::string& path, const Constraint& c,
              std::vector<T>& out) {
  if (!node.is_list()) WrongType(node, path, internal::TypeName(out));
  std::vector<T> values(node.items().size());
  for (size_t i = 0; i < values.size(); ++i) {
    internal::ReadScalar(node.items()[i], fmt::format("{}[{}]", path, i), c, values[i]);
  }
  out = std::move(values);
}

template <typename T>
ConfigNode WriteList(const std::vector<T>& values) {
  std::vector<ConfigNode> items;
  for (const auto& value : values) items.push_back(internal::WriteScalar(value));
  return ConfigNode::List(std::move(items), {});
}

}  // namespace

Constraint OneOf(std::vector<std::string> choices) {
  Constraint c;
  c.choices = std::move(choices);
  return c;
}

Constraint InRange(double min, double max) {
  Constraint c = AtLeast(min);
  c.has_max = true;
  c.max = max;
  return c;
}

Constraint AtLeast(double min) {
  Constraint c;
  c.has_min = true;
  c.min = min;
  return c;
}

namespace internal {

void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint&, bool& out) {
  const std::string& text = node.text();
  const bool yes = text == "true" || text == "True" || text == "TRUE";
  const bool no = text == "false" || text == "False" || text == "FALSE";
  if (!node.is_scalar() || node.quoted() || !(yes || no)) {
    WrongType(node, path, "true or false");
  }
  out = yes;
}

void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c,
                int64_t& out) {
  int64_t value = 0;
  if (!node.is_scalar() || node.quoted() || !ParseInt(node.text(), value)) {
    WrongType(node, path, "a whole number");
  }
  RequireRange(node, path, c, static_cast<double>(value));
  out = value;
}

void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c, double& out) {
  double value = 0;
  if (!node.is_scalar() || node.quoted() || !ParseDouble(node.text(), value)) {
    WrongType(node, path, "a number");
  }
  RequireRange(node, path, c, value);
  out = value;
}

void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c,
                std::string& out) {
  // `key:` and `key: null` are the empty text.
  if (!node.is_scalar() && !node.is_null()) WrongType(node, path, "a text");
  RequireChoice(node, path, c, node.text());
  out = node.text();
}

void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c,
                std::vector<int64_t>& out) {
  ReadList(node, path, c, out);
}
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c,
                std::vector<double>& out) {
  ReadList(node, path, c, out);
}
void ReadScalar(const ConfigNode& node, const std::string& path, const Constraint& c,
                std::vector<std::string>& out) {
  ReadList(node, path, c, out);
}

ConfigNode WriteScalar(bool value) { return ConfigNode::Scalar(value ? "true" : "false", {}); }
ConfigNode WriteScalar(int64_t value) { return ConfigNode::Scalar(fmt::format("{}", value), {}); }

ConfigNode WriteScalar(double value) {
  if (std::isnan(value)) return ConfigNode::Scalar(".nan", {});
  if (std::isinf(value)) return ConfigNode::Scalar(value < 0 ? "-.inf" : ".inf", {});
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return ConfigNode::Scalar(std::move(text), {});
}

ConfigNode WriteScalar(const std::string& value) {
  return ConfigNode::Scalar(value, {}, /*quoted=*/true);
}
ConfigNode WriteScalar(const std::vector<int64_t>& value) { return WriteList(value); }
ConfigNode WriteScalar(const std::vector<double>& value) { return WriteList(value); }
ConfigNode WriteScalar(const std::vector<std::string>& value) { return WriteList(value); }

const char* TypeName(const bool&) { return "bool"; }
const char* TypeName(const int64_t&) { return "int"; }
const char* TypeName(const double&) { return "float"; }
const char* TypeName(const std::string&) { return "string"; }
const char* TypeName(const std::vector<int64_t>&) { return "list of int"; }
const char* TypeName(const std::vector<double>&) { return "list of float"; }
const char* TypeName(const std::vector<std::string>&) { return "list of string"; }

std::string ConstraintText(const Constraint& c) {
  if (!c.choices.empty()) return "one of " + Join(c.choices, ", ");
  if (c.has_min && c.has_max) return fmt::format("in {} .. {}", c.min, c.max);
  if (c.has_min) return fmt::format(">= {}", c.min);
  if (c.has_max) return fmt::format("<= {}", c.max);
  return "";
}

void RejectUnknown(const ConfigNode& node, const std::string& path,
                   const std::vector<std::string>& known) {
  for (const auto& [key, value] : node.entries()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    ThrowUser("{}: unknown key '{}{}{}'{} (known: {})", value.origin().ToString(), path,
              path.empty() ? "" : ".", key, DidYouMean(key, known), Join(known, ", "));
  }
}

void RequireMap(const ConfigNode& node, const std::string& path) {
  if (node.is_map()) return;
  Fail(node, path.empty() ? "the config" : path,
       fmt::format("should be a section of `key: value`, is {}",
                   node.is_list() ? "a list" : "'" + node.text() + "'"));
}

}  // namespace internal
}  // namespace v2r
