// Where reference data lies and how strictly it is compared. No torch: the tests of envs/ use it
// too.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"

namespace v2r {

// $V2R_GOLDEN_DIR/SET when that is set, else tests/golden/SET of the source tree.
inline std::filesystem::path GoldenDir(const std::string& set) {
  if (const char* given = std::getenv("V2R_GOLDEN_DIR"); given != nullptr && *given != '\0') {
    return std::filesystem::path(given) / set;
  }
  const char* source = std::getenv("V2R_SOURCE_DIR");
  V2R_CHECK(source != nullptr, "neither V2R_GOLDEN_DIR nor V2R_SOURCE_DIR is set");
  return std::filesystem::path(source) / "tests" / "golden" / set;
}

// The set is none of those in $V2R_GOLDEN_DIR: its tests have nothing to read there.
inline bool GoldenSetLeftOut(const std::string& set) {
  const char* given = std::getenv("V2R_GOLDEN_DIR");
  return given != nullptr && *given != '\0' && !std::filesystem::is_directory(GoldenDir(set));
}

// Every file of the set whose name starts with `prefix` and ends in `extension`, sorted. Error when
// there is none.
inline std::vector<std::filesystem::path> GoldenFiles(
    const std::string& set, const std::string& prefix,
    const std::string& extension = ".safetensors") {
  std::vector<std::filesystem::path> files;
  const auto folder = GoldenDir(set);
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && name.ends_with(extension)) files.push_back(entry.path());
    }
  }
  V2R_CHECK(!files.empty(), "no reference file {}*{} in {}", prefix, extension, folder.string());
  std::sort(files.begin(), files.end());
  return files;
}

// $V2R_TEST_TOLERANCE_SCALE (default 1): all tolerances are multiplied by it.
inline double EnvToleranceScale() {
  const char* text = std::getenv("V2R_TEST_TOLERANCE_SCALE");
  return text == nullptr || *text == '\0' ? 1.0 : std::stod(text);
}

}  // namespace v2r
