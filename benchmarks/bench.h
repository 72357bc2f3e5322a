// Flags of the benchmarks.
#pragma once

#include <cstdlib>
#include <string>

#include "core/measure.h"

namespace v2r {

// Value of --name=... among the arguments, or `fallback`.
inline int Flag(int argc, char** argv, const std::string& name, int fallback) {
  const std::string prefix = "--" + name + "=";
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).starts_with(prefix)) return std::atoi(argv[i] + prefix.size());
  }
  return fallback;
}

// The same for text.
inline std::string TextFlag(int argc, char** argv, const std::string& name,
                            const std::string& fallback) {
  const std::string prefix = "--" + name + "=";
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).starts_with(prefix)) return argv[i] + prefix.size();
  }
  return fallback;
}

}  // namespace v2r
