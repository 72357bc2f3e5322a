#include "media/folder.h"

#include <algorithm>
#include <cctype>
#include <system_error>

#include "core/error.h"

namespace v2r {

namespace fs = std::filesystem;

std::vector<fs::path> VisibleEntries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) entries.push_back(it->path());
  }
  if (error) ThrowUser("{}: the folder cannot be read: {}", folder.string(), error.message());
  return entries;
}

bool HasExtension(const fs::path& path, const std::vector<std::string>& known) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(known.begin(), known.end(), extension) != known.end();
}

bool IsPictureFile(const fs::path& path) {
  return HasExtension(path, {".png", ".jpg", ".jpeg", ".bmp"});
}

}  // namespace v2r
