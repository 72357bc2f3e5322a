#include "core/zip.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

constexpr size_t kPart = size_t{1} << 20;

zip_t* Of(void* archive) { return static_cast<zip_t*>(archive); }

}  // namespace

ZipReader::ZipReader(const std::filesystem::path& path) : path_(path) {
  int code = 0;
  archive_ = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (archive_ == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    ThrowUser("{}: cannot be read as a zip archive: {}", path.string(), reason);
  }
  const zip_int64_t count = zip_get_num_entries(Of(archive_), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(Of(archive_), i, ZIP_FL_ENC_RAW);
    names_.emplace_back(name != nullptr ? name : "");
  }
}

ZipReader::~ZipReader() { zip_discard(Of(archive_)); }

bool ZipReader::Has(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::string ZipReader::Read(const std::string& name, uint64_t at_most) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) ThrowUser("{}: holds no '{}'", path_.string(), name);
  zip_stat_t stat;
  zip_stat_init(&stat);
  const auto index = static_cast<zip_uint64_t>(found - names_.begin());
  const auto fail = [&](const char* reason) {
    ThrowUser("{}: '{}' cannot be read: {}", path_.string(), name, reason);
  };
  if (zip_stat_index(Of(archive_), index, 0, &stat) != 0) fail(zip_strerror(Of(archive_)));
  if ((stat.valid & ZIP_STAT_SIZE) == 0) fail("its size is not given");
  if (stat.size > at_most) {
    ThrowUser("{}: '{}' is {} bytes when unpacked, at most {} are read", path_.string(), name,
              stat.size, at_most);
  }
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen_index(Of(archive_), index, 0), zip_fclose);
  if (file == nullptr) fail(zip_strerror(Of(archive_)));
  // Grows with what is there, not with what a damaged directory promises.
  std::string bytes;
  while (bytes.size() < stat.size) {
    const size_t had = bytes.size(), wanted = std::min<uint64_t>(kPart, stat.size - had);
    bytes.resize(had + wanted);
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + had, wanted);
    if (got < 0) fail(zip_file_strerror(file.get()));
    if (got == 0) fail("it is cut short");
    bytes.resize(had + static_cast<size_t>(got));
  }
  char beyond;  // the check sum is compared when the end is read
  const zip_int64_t more = zip_fread(file.get(), &beyond, 1);
  if (more < 0) fail(zip_file_strerror(file.get()));
  if (more > 0) fail("it is longer than its directory says");
  return bytes;
}

bool ZipReader::IsZip(const std::filesystem::path& path) {
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::memcmp(magic, "PK\3\4", 4) == 0 || std::memcmp(magic, "PK\5\6", 4) == 0;
}

void WriteZip(const std::filesystem::path& path,
              const std::map<std::string, std::string>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* archive_bytes = zip_source_buffer_create(nullptr, 0, 0, &error);
  V2R_CHECK(archive_bytes != nullptr, "{}", zip_error_strerror(&error));
  zip_t* archive = zip_open_from_source(archive_bytes, ZIP_TRUNCATE, &error);
  V2R_CHECK(archive != nullptr, "{}", zip_error_strerror(&error));
  zip_source_keep(archive_bytes);  // outlives the archive
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index =
        source == nullptr ? -1 : zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    V2R_CHECK(index >= 0, "{}: {}", name, zip_strerror(archive));
    const auto at = static_cast<zip_uint64_t>(index);
    V2R_CHECK_EQ(zip_file_set_dostime(archive, at, 0, (1 << 5) | 1, 0), 0);  // 1980-01-01
  }
  V2R_CHECK(zip_close(archive) == 0, "{}", zip_strerror(archive));
  zip_stat_t stat;
  zip_stat_init(&stat);
  V2R_CHECK_EQ(zip_source_stat(archive_bytes, &stat), 0);
  std::string bytes(stat.size, '\0');
  V2R_CHECK_EQ(zip_source_open(archive_bytes), 0);
  const zip_int64_t got = zip_source_read(archive_bytes, bytes.data(), bytes.size());
  V2R_CHECK_EQ(got, static_cast<zip_int64_t>(bytes.size()));
  zip_source_close(archive_bytes);
  zip_source_free(archive_bytes);
  zip_error_fini(&error);
  WriteFileAtomic(path, bytes);
}

}  // namespace v2r
