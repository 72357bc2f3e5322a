// Files that are never half-written, and small helpers around paths.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace v2r {

// Writes beside the target, fsyncs, renames. UserError with path and reason (no space, no permission, ...).
// The environment variable V2R_SIMULATE_DISK_FULL=<substring> makes writing a path that contains it fail with ENOSPC (tests).
void WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);
std::string ReadFile(const std::filesystem::path& path);  // UserError when it cannot be read
void MakeDirectories(const std::filesystem::path& path);  // UserError with the reason
// 64-bit FNV-1a as 16 hex digits: fingerprints, not security.
std::string HashHex(std::span<const uint8_t> bytes);
std::string HashHex(std::string_view text);
// Where configs/ and envs/assets are: $V2R_HOME, share/v2r beside the program or module, its source tree, ../share/v2r.
std::filesystem::path HomeDirectory();

}  // namespace v2r
