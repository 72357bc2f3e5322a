// A named set of factories. Filled by one explicit list per folder, because a static-library linker drops objects that
// register themselves.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace v2r {

// Product* Factory(args...). `kind` is the user's word ("environment", "reward", ...), used in messages.
template <typename Product, typename... Args>
class Registry {
 public:
  using Factory = std::function<std::unique_ptr<Product>(Args...)>;
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  void Add(const std::string& name, const std::string& doc, Factory factory) {
    V2R_CHECK(!entries_.contains(name), "{} '{}' registered twice", kind_, name);
    entries_[name] = {doc, std::move(factory)};
  }
  bool Has(const std::string& name) const { return entries_.contains(name); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }
  const std::string& Doc(const std::string& name) const { return Find(name).doc; }
  // UserError with the nearest name when there is no such entry.
  std::unique_ptr<Product> Make(const std::string& name, Args... args) const {
    return Find(name).factory(std::forward<Args>(args)...);
  }

 private:
  struct Entry {
    std::string doc;
    Factory factory;
  };
  const Entry& Find(const std::string& name) const {
    const auto it = entries_.find(name);
    if (it == entries_.end()) {
      const auto names = Names();
      ThrowUser("unknown {} '{}'{} (known: {})", kind_, name, DidYouMean(name, names),
                Join(names, ", "));
    }
    return it->second;
  }
  std::string kind_;
  std::map<std::string, Entry> entries_;
};

}  // namespace v2r
