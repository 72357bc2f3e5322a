#include "core/files.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "core/error.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Close() {
    const int result = close(fd_);
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

std::string Reason(int code) { return std::generic_category().message(code); }

bool DiskFullSimulated(const fs::path& path) {
  const char* part = std::getenv("V2R_SIMULATE_DISK_FULL");
  return part != nullptr && *part != '\0' && path.string().find(part) != std::string::npos;
}

// Returns 0 or errno.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

// The whole way of the bytes to the disk under a temporary name; returns 0 or errno.
int WriteAndSync(const fs::path& path, std::string_view bytes, bool simulate_full) {
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return errno;
  const std::string_view first = simulate_full ? bytes.substr(0, bytes.size() / 2) : bytes;
  if (const int code = WriteAll(file.get(), first); code != 0) return code;
  if (simulate_full) return ENOSPC;
  if (fsync(file.get()) != 0) return errno;
  return file.Close() == 0 ? 0 : errno;
}

// So that the new name survives a power cut. Some file systems have no such thing as syncing a
// directory.
int SyncDirectory(const fs::path& path) {
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return errno;
  if (fsync(directory.get()) == 0 || errno == EINVAL || errno == ENOTSUP) return 0;
  return errno;
}

}  // namespace

void WriteFileAtomic(const fs::path& path, std::string_view bytes) {
  static std::atomic<uint64_t> counter{0};
  const fs::path beside = path.string() + fmt::format(".tmp.{}.{}", getpid(), counter.fetch_add(1));
  int code = WriteAndSync(beside, bytes, DiskFullSimulated(path));
  if (code == 0 && rename(beside.c_str(), path.c_str()) != 0) code = errno;
  if (code != 0) {
    unlink(beside.c_str());
    ThrowUser("{}: cannot be written: {}", path.string(), Reason(code));
  }
  const fs::path directory = path.parent_path();
  code = SyncDirectory(directory.empty() ? fs::path(".") : directory);
  if (code != 0) ThrowUser("{}: cannot be synced: {}", directory.string(), Reason(code));
}

std::string ReadFile(const fs::path& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) ThrowUser("{}: cannot be read: {}", path.string(), Reason(errno));
  std::string bytes;
  struct stat info {};
  if (fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    bytes.reserve(static_cast<size_t>(info.st_size));
  }
  std::array<char, 1 << 16> chunk;
  while (true) {
    const ssize_t got = read(file.get(), chunk.data(), chunk.size());
    if (got == 0) return bytes;
    if (got < 0) {
      if (errno == EINTR) continue;
      ThrowUser("{}: cannot be read: {}", path.string(), Reason(errno));
    }
    bytes.append(chunk.data(), static_cast<size_t>(got));
  }
}

void MakeDirectories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && fs::is_directory(path, error)) return;
  ThrowUser("{}: the folder cannot be made: {}", path.string(),
            error ? error.message() : "a file of that name is in the way");
}

std::string HashHex(std::span<const uint8_t> bytes) {
  uint64_t hash = 14695981039346656037ull;
  for (const uint8_t byte : bytes) {
    hash ^= byte;
    hash *= 1099511628211ull;
  }
  return fmt::format("{:016x}", hash);
}

std::string HashHex(std::string_view text) {
  return HashHex(
      std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

fs::path HomeDirectory() {
  if (const char* home = std::getenv("V2R_HOME"); home != nullptr && *home != '\0') {
    if (!fs::is_directory(fs::path(home) / "configs")) {
      ThrowUser("V2R_HOME='{}' has no folder 'configs': set it to the source tree or to share/v2r",
                home);
    }
    return home;
  }
  // Of the program or, in Python, of the extension module.
  std::error_code error;
  fs::path folder;
  Dl_info info{};
  const void* here = reinterpret_cast<const void*>(&HomeDirectory);
  if (dladdr(here, &info) != 0 && info.dli_fname != nullptr) {
    folder = fs::weakly_canonical(info.dli_fname, error).parent_path();
  }
  // The Python package brings its own.
  std::string looked;
  if (!folder.empty()) {
    if (fs::is_directory(folder / "share/v2r/configs", error)) return folder / "share/v2r";
    looked = (folder / "share/v2r").string() + ", ";
  }
  const fs::path source = V2R_SOURCE_HOME;
  if (fs::is_directory(source / "configs", error)) return source;
  looked += source.string();
  // Installed: bin/v2r next to share/v2r.
  for (int up = 0; up < 5 && folder.has_relative_path(); ++up) {
    folder = folder.parent_path();
    if (fs::is_directory(folder / "share/v2r/configs", error)) return folder / "share/v2r";
    looked += ", " + (folder / "share/v2r").string();
  }
  ThrowUser("no folder with 'configs' found (looked in {}): set V2R_HOME", looked);
}

}  // namespace v2r
