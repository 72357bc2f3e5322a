// Zip archives (stored or deflated entries): PyTorch's .pth, NumPy's .npz.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace v2r {

// An archive open for reading, through libzip. Not for several threads at once.
class ZipReader {
 public:
  // UserError with path and reason: no such file, no zip archive, cut short.
  explicit ZipReader(const std::filesystem::path& path);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  // In the order of the archive's directory.
  const std::vector<std::string>& names() const { return names_; }
  bool Has(const std::string& name) const;
  // Unpacked bytes of the entry; UserError naming archive and entry: none of that name, larger than
  // at_most bytes when unpacked, damaged (its CRC-32 is checked), encrypted.
  std::string Read(const std::string& name, uint64_t at_most = UINT64_C(64) << 30) const;

  // Whether the file begins as a zip archive does; false where it cannot be read.
  static bool IsZip(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  void* archive_ = nullptr;  // zip_t
  std::vector<std::string> names_;
};

// Atomic. Entries are deflated, in the order of their names, and carry no time: equal entries give
// equal bytes. UserError: the disk refuses.
void WriteZip(const std::filesystem::path& path, const std::map<std::string, std::string>& entries);

}  // namespace v2r
