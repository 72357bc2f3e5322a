#include "core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

constexpr double kReportSeconds = 0.1;
constexpr double kLineSeconds = 10.0;

struct SinkState {
  std::mutex mutex;
  std::function<void(const ProgressEvent&)> sink;
};

SinkState& State() {
  static SinkState state;
  return state;
}

std::string Describe(const ProgressEvent& event) {
  std::string text = fmt::format("{}: {}", event.task, event.done);
  if (event.total > 0) {
    text += fmt::format("/{} ({:.0f} %)", event.total,
                        100.0 * static_cast<double>(event.done) / event.total);
  }
  if (event.finished) {
    text += ", took " + HumanSeconds(event.seconds);
  } else if (event.eta_seconds > 0) {
    text += ", " + HumanSeconds(event.eta_seconds) + " left";
  }
  if (!event.note.empty()) text += ", " + event.note;
  return text;
}

void DrawBar(const ProgressEvent& event) {
  constexpr int kCells = 24;
  std::string bar;
  if (event.total > 0) {
    const auto done = std::clamp<int64_t>(event.done, 0, event.total);
    const int filled = static_cast<int>(kCells * done / event.total);
    bar = "[" + std::string(filled, '#') + std::string(kCells - filled, '.') + "] ";
  }
  // \033[K clears what a longer line left behind.
  fmt::print(stderr, "\r{}{}\033[K{}", bar, Describe(event), event.finished ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace

void SetProgressSink(std::function<void(const ProgressEvent&)> sink) {
  SinkState& state = State();
  const std::lock_guard lock(state.mutex);
  state.sink = std::move(sink);
}

void DrawProgressOnStderr() {
  if (isatty(STDERR_FILENO) == 1) {
    SetProgressSink(DrawBar);
    return;
  }
  auto last_line = std::make_shared<double>(0.0);
  auto last_task = std::make_shared<std::string>();
  SetProgressSink([last_line, last_task](const ProgressEvent& event) {
    if (*last_task != event.task) {
      *last_task = event.task;
      *last_line = 0;
    }
    if (!event.finished && event.seconds - *last_line < kLineSeconds) return;
    *last_line = event.seconds;
    fmt::print(stderr, "{}\n", Describe(event));
    std::fflush(stderr);
  });
}

Progress::Progress(std::string task, int64_t total) {
  event_.task = std::move(task);
  event_.total = total;
}

Progress::~Progress() {
  try {
    Report(true);
  } catch (const std::exception&) {
    // A drawing that fails must not end the work it draws.
  }
}

void Progress::Update(int64_t done, const std::string& note) {
  event_.done = done;
  event_.note = note;
  const double now = watch_.Seconds();
  if (last_report_ >= 0 && now - last_report_ < kReportSeconds) return;
  last_report_ = now;
  Report(false);
}

void Progress::Report(bool finished) {
  event_.finished = finished;
  event_.seconds = watch_.Seconds();
  const int64_t left = event_.total - event_.done;
  event_.eta_seconds =
      finished || event_.done <= 0 || left <= 0
          ? 0
          : event_.seconds / static_cast<double>(event_.done) * static_cast<double>(left);
  SinkState& state = State();
  const std::lock_guard lock(state.mutex);
  if (state.sink) state.sink(event_);
}

}  // namespace v2r
