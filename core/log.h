// Logging through spdlog: LogInfo("rendered {} frames", n). Level from V2R_LOG (trace ... off), default info, to stderr.
#pragma once

#include <spdlog/spdlog.h>

#include <filesystem>
#include <utility>

namespace v2r {

void InitLog();                                        // idempotent
void AddLogFile(const std::filesystem::path& path);    // log.txt of the run directory
void RemoveLogFiles();

template <typename... Args>
void LogInfo(fmt::format_string<Args...> f, Args&&... args) { spdlog::info(f, std::forward<Args>(args)...); }
template <typename... Args>
void LogWarn(fmt::format_string<Args...> f, Args&&... args) { spdlog::warn(f, std::forward<Args>(args)...); }
template <typename... Args>
void LogDebug(fmt::format_string<Args...> f, Args&&... args) { spdlog::debug(f, std::forward<Args>(args)...); }

}  // namespace v2r
