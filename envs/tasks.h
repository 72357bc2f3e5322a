// The list of tasks while it is being filled: one call of Add a task.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/env.h"

namespace v2r {

struct TaskList {
  EnvFactories factories{"environment"};
  std::map<std::string, std::function<std::vector<FieldDoc>()>> fields;  // by name: the task's keys

  // make: const Options& -> std::unique_ptr<Env>. `defaults` are the values of keys that are not
  // given (tasks of one family differ in them).
  template <typename Options, typename Make>
  void Add(const std::string& name, const std::string& doc, Make make, Options defaults = {}) {
    factories.Add(name, doc, [make, defaults](const ConfigNode& node) -> std::unique_ptr<Env> {
      Options options = defaults;
      Bind(node, options, "env.task");
      return make(options);
    });
    fields[name] = [defaults] { return Describe<Options>(defaults, "env.task"); };
  }
};

}  // namespace v2r
