#include "tests/house/include_rules.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace v2r {
namespace {

using Names = std::set<std::string>;

// Folder -> our own folders it may include besides itself. tests, benchmarks and examples may
// include everything.
const std::map<std::string, Names>& OwnFolders() {
  static const std::map<std::string, Names> table = {
      {"core", {}},
      {"media", {"core"}},
      {"models", {"core"}},
      {"learn", {"core"}},
      {"envs", {"core"}},
      {"pretrain", {"learn", "models", "media", "core"}},
      {"reward", {"learn", "envs", "models", "media", "core"}},
      {"agents", {"learn", "envs", "models", "core"}},
      {"app", {"agents", "reward", "pretrain", "envs", "learn", "models", "media", "core"}},
      {"bindings",
       {"app", "agents", "reward", "pretrain", "envs", "learn", "models", "media", "core"}},
  };
  return table;
}

struct Library {
  const char* name;
  const char* pattern;  // of the header
  Names headers;        // folders whose headers may show it: one at most, torch excepted
  Names sources;        // folders whose .cc files may use it
};

const std::vector<Library>& Libraries() {
  const Names torch = {"core", "media", "models", "learn", "pretrain", "reward", "agents", "app"};
  Names everywhere = torch;
  everywhere.insert("envs");
  static const std::vector<Library> table = {
      {"torch", "(torch|ATen|c10)/(?!.*cuda).*", torch, torch},
      {"opencv", "opencv2/.*", {}, {"media"}},
      {"ffmpeg", "lib(av|sw)[a-z]*/.*", {}, {"media"}},
      {"yaml-cpp", "yaml-cpp/.*", {}, {"core"}},
      {"fmt", "(spdlog/fmt|fmt)/.*", {"core"}, everywhere},
      {"spdlog", "spdlog/(?!fmt/).*", {"core"}, {"core", "app"}},
      {"random123", "Random123/.*", {}, {"core"}},
      {"libzip", "zip\\.h", {}, {"core"}},
      {"nlohmann-json", "nlohmann/.*", {"models"}, {"core", "media", "models", "app"}},
      {"mujoco", "mujoco/.*", {"envs"}, {"envs"}},
      {"egl", "(EGL|GL|KHR)/.*", {"envs"}, {"envs"}},
      {"boost", "boost/.*", {}, {"core", "envs", "app"}},
      {"cli11", "CLI/.*", {"app"}, {"app"}},
      {"protozero", "protozero/.*", {"app"}, {"app"}},
      {"nanobind", "nanobind/.*", {"bindings"}, {"bindings"}},
      {"googletest", "(gtest|gmock)/.*", {}, {}},
      {"benchmark", "benchmark/.*", {}, {}},
  };
  return table;
}

const Library* FindLibrary(const std::string& header) {
  for (const Library& library : Libraries()) {
    if (std::regex_match(header, std::regex(library.pattern))) return &library;
  }
  return nullptr;
}

bool IsSystem(const std::string& header) {
  static const std::regex standard("[a-z_0-9]+");
  static const std::regex posix(
      "(dlfcn|errno|fcntl|fenv|immintrin|locale|malloc|poll|pthread|sched|signal|spawn|stdlib|"
      "string|time|"
      "termios|unistd|ucontext)\\.h|(sys|arpa|net|netinet|linux)/[a-z_0-9]+\\.h|cxxabi\\.h");
  return std::regex_match(header, standard) || std::regex_match(header, posix);
}

bool SeesEverything(const std::string& folder) {
  return folder == "tests" || folder == "benchmarks" || folder == "examples";
}

}  // namespace

std::string TopFolder(std::string_view path) { return std::string(path.substr(0, path.find('/'))); }

bool IsHeader(std::string_view path) { return path.ends_with(".h"); }

std::vector<Include> ReadIncludes(const std::string& file, std::string_view text) {
  static const std::regex pattern("\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  std::vector<Include> includes;
  std::istringstream stream{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    std::smatch match;
    if (std::regex_match(line, match, pattern)) {
      includes.push_back({file, number, match[2], match[1] == "\""});
    }
  }
  return includes;
}

std::string LibraryOf(const Include& include) {
  if (include.quoted && !FindLibrary(include.header)) return "";
  if (const Library* library = FindLibrary(include.header)) return library->name;
  return IsSystem(include.header) ? "" : "?";
}

std::optional<std::string> CheckInclude(const Include& include) {
  const std::string folder = TopFolder(include.file);
  const std::string where = include.file + ":" + std::to_string(include.line) + ": ";
  const std::string library = LibraryOf(include);
  if (library == "?") {
    return where + "<" + include.header + "> belongs to no library of the table";
  }
  if (SeesEverything(folder)) return std::nullopt;
  const auto allowed = OwnFolders().find(folder);
  if (allowed == OwnFolders().end()) return where + folder + " is no folder of the house";
  if (library.empty()) {
    if (!include.quoted) return std::nullopt;
    const std::string other = TopFolder(include.header);
    if (other == folder || allowed->second.count(other)) return std::nullopt;
    return where + folder + " may not include " + include.header;
  }
  const Library* entry = FindLibrary(include.header);
  const Names& folders = IsHeader(include.file) ? entry->headers : entry->sources;
  if (!folders.count(folder)) {
    return where + (IsHeader(include.file) ? "a header of " : "") + folder + " may not see " +
           library + " (" + include.header + ")";
  }
  return std::nullopt;
}

}  // namespace v2r
