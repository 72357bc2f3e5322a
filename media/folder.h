// What lies in a folder of data.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace v2r {

// The entries whose names do not start with a dot, in no order. UserError: it cannot be read.
std::vector<std::filesystem::path> VisibleEntries(const std::filesystem::path& folder);
// Whether the file's name ends in one of `known` (".png"), in any case.
bool HasExtension(const std::filesystem::path& path, const std::vector<std::string>& known);
// png, jpg, jpeg, bmp
bool IsPictureFile(const std::filesystem::path& path);

}  // namespace v2r
