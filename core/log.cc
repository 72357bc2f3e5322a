#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

struct LogState {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::dist_sink_mt> fan;
  std::vector<spdlog::sink_ptr> files;
};

LogState& State() {
  static LogState state;
  return state;
}

spdlog::level::level_enum LevelFromEnvironment() {
  const char* text = std::getenv("V2R_LOG");
  if (text == nullptr || *text == '\0') return spdlog::level::info;
  const std::vector<std::string> names = {"trace", "debug",    "info", "warn",
                                          "error", "critical", "off"};
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<spdlog::level::level_enum>(i);
  }
  ThrowUser("V2R_LOG='{}' is no log level{} (known: {})", text, DidYouMean(text, names),
            Join(names, ", "));
}

void InitLocked(LogState& state) {
  if (state.fan) return;
  const auto level = LevelFromEnvironment();
  auto fan = std::make_shared<spdlog::sinks::dist_sink_mt>();
  fan->add_sink(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  auto logger = std::make_shared<spdlog::logger>("v2r", fan);
  logger->set_pattern("[%H:%M:%S] [%^%l%$] %v");
  logger->set_level(level);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  state.fan = std::move(fan);
}

}  // namespace

void InitLog() {
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  InitLocked(state);
}

void AddLogFile(const std::filesystem::path& path) {
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  InitLocked(state);
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    file->set_pattern("[%Y-%m-%d %H:%M:%S.%e] [%l] %v");
    state.fan->add_sink(file);
    state.files.push_back(std::move(file));
  } catch (const spdlog::spdlog_ex& error) {
    ThrowUser("{}: the log file cannot be opened: {}", path.string(), error.what());
  }
}

void RemoveLogFiles() {
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  for (const auto& file : state.files) {
    file->flush();
    state.fan->remove_sink(file);
  }
  state.files.clear();
}

}  // namespace v2r
