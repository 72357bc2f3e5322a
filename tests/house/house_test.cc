// Reads the source tree and holds it against the rules of docs/architecture.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/house/include_rules.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path;  // from the root
  std::string text;
};

fs::path Root() {
  const char* root = std::getenv("V2R_SOURCE_DIR");
  if (root == nullptr) throw std::runtime_error("V2R_SOURCE_DIR is not set: run this with ctest");
  return root;
}

// Every file of the tree with one of these endings, build outputs and binary test data left out.
std::vector<SourceFile> ReadTree(const std::set<std::string>& endings) {
  static const std::set<std::string> skipped = {".git",  "build",  "runs",       "golden",
                                                ".deps", ".cache", "__pycache__"};
  std::vector<SourceFile> files;
  for (auto it = fs::recursive_directory_iterator(Root()); it != fs::end(it); ++it) {
    const std::string name = it->path().filename().string();
    const bool top_level = it.depth() == 0;
    if (it->is_directory() && (skipped.count(name) || (top_level && name.starts_with("build")))) {
      it.disable_recursion_pending();
      continue;
    }
    if (name == ".git") continue;  // a worktree has a file of that name
    if (!it->is_regular_file() || !endings.count(it->path().extension().string())) continue;
    std::ifstream stream(it->path());
    std::stringstream text;
    text << stream.rdbuf();
    files.push_back({fs::relative(it->path(), Root()).string(), text.str()});
  }
  std::sort(files.begin(), files.end(), [](auto& a, auto& b) { return a.path < b.path; });
  return files;
}

const std::vector<SourceFile>& Code() {
  static const std::vector<SourceFile> files = ReadTree({".h", ".cc"});
  return files;
}

// tests/consumer is a project of its own that includes installed headers.
std::vector<Include> AllIncludes() {
  std::vector<Include> all;
  for (const SourceFile& file : Code()) {
    for (Include& include : ReadIncludes(file.path, file.text)) all.push_back(std::move(include));
  }
  return all;
}

std::string Violation(const std::string& file, const std::string& line) {
  const std::vector<Include> includes = ReadIncludes(file, line);
  if (includes.size() != 1) return "no include line";
  return CheckInclude(includes[0]).value_or("");
}

int CountLines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// A path that exists on one person's machine only. Spelled in two parts: this file is checked too.
const std::regex& MachinePath() {
  static const std::regex pattern(
      "(^|[^A-Za-z0-9_.}])/(work|root|home|tmp|mnt|Users)"
      "/[A-Za-z0-9_]");
  return pattern;
}

std::vector<std::string> LinesWithMachinePath(const SourceFile& file) {
  std::vector<std::string> found;
  std::istringstream stream(file.text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (std::regex_search(line, MachinePath())) {
      found.push_back(file.path + ":" + std::to_string(number) + ": " + line);
    }
  }
  return found;
}

TEST(HouseIncludes, KnownViolationsAreRecognised) {
  EXPECT_EQ(Violation("agents/ppo.cc", "#include \"reward/goal_set.h\""),
            "agents/ppo.cc:1: agents may not include reward/goal_set.h");
  EXPECT_EQ(Violation("reward/rank.h", "  #  include \"pretrain/moco.h\"  // why"),
            "reward/rank.h:1: reward may not include pretrain/moco.h");
  EXPECT_EQ(Violation("envs/push.cc", "#include <torch/torch.h>"),
            "envs/push.cc:1: envs may not see torch (torch/torch.h)");
  EXPECT_EQ(Violation("envs/push.cc", "#include <opencv2/core.hpp>"),
            "envs/push.cc:1: envs may not see opencv (opencv2/core.hpp)");
  EXPECT_EQ(Violation("media/video.h", "#include <opencv2/core.hpp>"),
            "media/video.h:1: a header of media may not see opencv (opencv2/core.hpp)");
  EXPECT_EQ(Violation("models/vit.cc", "#include <c10/cuda/CUDAStream.h>"),
            "models/vit.cc:1: <c10/cuda/CUDAStream.h> belongs to no library of the table");
  EXPECT_EQ(Violation("learn/knn.cc", "#include <unheard_of/index.h>"),
            "learn/knn.cc:1: <unheard_of/index.h> belongs to no library of the table");
  EXPECT_EQ(Violation("reward/scale.h", "#include <nlohmann/json.hpp>"),
            "reward/scale.h:1: a header of reward may not see nlohmann-json (nlohmann/json.hpp)");
  EXPECT_EQ(Violation("learn/knn.cc", "#include <spdlog/spdlog.h>"),
            "learn/knn.cc:1: learn may not see spdlog (spdlog/spdlog.h)");
  EXPECT_EQ(Violation("core/rng.cc", "#include \"media/video.h\""),
            "core/rng.cc:1: core may not include media/video.h");
  EXPECT_EQ(Violation("attic/a.cc", "#include <vector>"),
            "attic/a.cc:1: attic is no folder of the house");
}

TEST(HouseIncludes, AllowedLinesPass) {
  EXPECT_EQ(Violation("envs/push.cc", "#include <mujoco/mujoco.h>"), "");
  EXPECT_EQ(Violation("media/video.cc", "#include <opencv2/videoio.hpp>"), "");
  EXPECT_EQ(Violation("core/device.h", "#include <torch/torch.h>"), "");
  EXPECT_EQ(Violation("app/main.cc", "#include \"pretrain/moco.h\""), "");
  EXPECT_EQ(Violation("reward/rank.cc", "#include <vector>"), "");
  EXPECT_EQ(Violation("core/files.cc", "#include <sys/stat.h>"), "");
  EXPECT_EQ(Violation("tests/envs/push_test.cc", "#include <opencv2/core.hpp>"), "");
}

TEST(HouseIncludes, EveryLineKeepsToTheTable) {
  const std::vector<Include> includes = AllIncludes();
  ASSERT_GT(includes.size(), 50u) << "the source tree was not found";
  for (const Include& include : includes) {
    const std::optional<std::string> violation = CheckInclude(include);
    EXPECT_FALSE(violation.has_value()) << *violation;
  }
}

TEST(HouseIncludes, QuotedPathsStartAtTheRoot) {
  for (const Include& include : AllIncludes()) {
    if (!include.quoted || include.file.starts_with("tests/consumer/")) continue;
    EXPECT_TRUE(fs::exists(Root() / include.header))
        << include.file << ":" << include.line << ": no file " << include.header;
  }
}

using IncludesByFile = std::map<std::string, std::vector<Include>>;

IncludesByFile GroupByFile(const std::vector<Include>& includes) {
  IncludesByFile by_file;
  for (const Include& include : includes) by_file[include.file].push_back(include);
  return by_file;
}

// The file through which `start` reaches a header of `library`, directly or through our own
// headers; "" if none does.
std::string ReachesThrough(const IncludesByFile& by_file, const std::string& start,
                           const std::string& library) {
  std::vector<std::string> open = {start};
  std::set<std::string> seen = {start};
  while (!open.empty()) {
    const std::string file = open.back();
    open.pop_back();
    const auto found = by_file.find(file);
    if (found == by_file.end()) continue;
    for (const Include& include : found->second) {
      if (LibraryOf(include) == library) return file;
      if (include.quoted && seen.insert(include.header).second) open.push_back(include.header);
    }
  }
  return "";
}

TEST(HouseIncludes, ALibraryReachedThroughAHeaderIsRecognised) {
  const IncludesByFile by_file = GroupByFile({{"envs/a.cc", 1, "core/b.h", true},
                                              {"core/b.h", 3, "core/c.h", true},
                                              {"core/c.h", 5, "torch/torch.h", false}});
  EXPECT_EQ(ReachesThrough(by_file, "envs/a.cc", "torch"), "core/c.h");
  EXPECT_EQ(ReachesThrough(by_file, "envs/a.cc", "opencv"), "");
}

TEST(HouseIncludes, EnvsReachNeitherTorchNorOpenCv) {
  const IncludesByFile by_file = GroupByFile(AllIncludes());
  int starts = 0;
  for (const auto& [start, unused] : by_file) {
    if (TopFolder(start) != "envs") continue;
    ++starts;
    EXPECT_EQ(ReachesThrough(by_file, start, "torch"), "") << start;
    EXPECT_EQ(ReachesThrough(by_file, start, "opencv"), "") << start;
  }
  EXPECT_GT(starts, 0);
}

// core's CMake file names the sources of the target that has no torch; what builds into core_torch
// may see it.
TEST(HouseIncludes, PlainCoreReachesNoTorch) {
  std::ifstream stream(Root() / "core" / "CMakeLists.txt");
  std::stringstream text;
  text << stream.rdbuf();
  const std::string cmake = text.str();
  std::smatch match;
  ASSERT_TRUE(std::regex_search(
      cmake, match, std::regex("v2r_library\\(core\\s+SOURCES([^)]*?)(PRIVATE_DEPS|\\))")));
  std::istringstream names(match[1].str());
  const IncludesByFile by_file = GroupByFile(AllIncludes());
  int sources = 0;
  for (std::string name; names >> name; ++sources) {
    EXPECT_EQ(ReachesThrough(by_file, "core/" + name, "torch"), "") << name;
  }
  EXPECT_GT(sources, 5);
}

TEST(HouseIncludes, AThirdPartyLibraryShowsInTheHeadersOfOneFolderAtMost) {
  std::map<std::string, std::set<std::string>> folders;
  for (const Include& include : AllIncludes()) {
    const std::string folder = TopFolder(include.file);
    if (!IsHeader(include.file) || folder == "tests" || folder == "benchmarks") continue;
    const std::string library = LibraryOf(include);
    if (!library.empty() && library != "torch") folders[library].insert(folder);
  }
  EXPECT_FALSE(folders.empty());
  for (const auto& [library, where] : folders) {
    std::string list;
    for (const std::string& folder : where) list += " " + folder;
    EXPECT_LE(where.size(), 1u) << library << " shows in the headers of" << list;
  }
}

TEST(HouseSize, HeadersAndSourcesStayShort) {
  for (const SourceFile& file : Code()) {
    const int limit = IsHeader(file.path) ? 250 : 500;
    EXPECT_LE(CountLines(file.text), limit) << file.path << " is too long to be one idea";
  }
}

TEST(HouseStyle, HeadersAreGuardedAndInTheNamespace) {
  for (const SourceFile& file : Code()) {
    if (!IsHeader(file.path)) continue;
    EXPECT_NE(file.text.find("#pragma once"), std::string::npos) << file.path;
    EXPECT_NE(file.text.find("namespace v2r"), std::string::npos) << file.path;
  }
}

TEST(HousePaths, AMachinePathIsRecognised) {
  const std::string home = std::string("/ho") + "me/ann/data";
  EXPECT_EQ(LinesWithMachinePath({"a.yaml", "videos: x\nroot: " + home + "\n"}).size(), 1u);
  EXPECT_TRUE(
      LinesWithMachinePath({"a.yaml", "videos: runs/demos\nurl: https://a.org/x/y\n"}).empty());
}

TEST(HousePaths, NoFileNamesOneMachine) {
  const std::vector<SourceFile> files = ReadTree(
      {".h", ".cc", ".cmake", ".txt", ".in", ".json", ".yaml", ".xml", ".md", ".sh", ".py", ""});
  ASSERT_FALSE(files.empty());
  for (const SourceFile& file : files) {
    for (const std::string& line : LinesWithMachinePath(file)) ADD_FAILURE() << line;
  }
}

}  // namespace
}  // namespace v2r
