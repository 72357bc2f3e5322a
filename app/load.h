// A command's options: its config file, the groups it names, the words of the command line.
#pragma once

#include <string>

#include "app/commands.h"
#include "core/config.h"
#include "core/options.h"

namespace v2r {

// Of configs/`root`.yaml. UserError: see ComposeConfig and Bind.
template <typename Options>
Options LoadOptions(const std::string& root, const Words& overrides) {
  Options options;
  Bind(ComposeConfig(ConfigRoots(), root, overrides), options);
  return options;
}

}  // namespace v2r
