// The house's include table (docs/architecture.md) as data, and the check of one #include line
// against it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace v2r {

struct Include {
  std::string file;    // path from the repository's root: "reward/goal_set.cc"
  int line = 0;        // counted from 1
  std::string header;  // what stands between the quotes or brackets
  bool quoted = false;
};

// The #include lines of one source text; lines inside // comments do not count.
std::vector<Include> ReadIncludes(const std::string& file, std::string_view text);

// What is wrong with the line ("reward/a.cc:3: reward may not include ..."), or nothing.
std::optional<std::string> CheckInclude(const Include& include);

// Name of the third-party library that a header belongs to ("torch"), "" for the standard library,
// POSIX and our own,
// "?" for a header that the table does not know.
std::string LibraryOf(const Include& include);

// First part of a path: "reward/goal_set.cc" -> "reward".
std::string TopFolder(std::string_view path);
bool IsHeader(std::string_view path);

}  // namespace v2r
