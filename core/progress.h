// Progress with an estimate of the time left. The library reports; app/ decides how it is drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/clock.h"

namespace v2r {

struct ProgressEvent {
  std::string task;    // "filming", "pretraining tcn", ...
  int64_t done = 0;
  int64_t total = 0;
  double seconds = 0;  // since the start
  double eta_seconds = 0;
  std::string note;    // e.g. "loss 0.31"
  bool finished = false;
};

// Process-wide drawing function; none by default. App installs a terminal bar (\r on a terminal, one line every 10 s in a log).
void SetProgressSink(std::function<void(const ProgressEvent&)> sink);
void DrawProgressOnStderr();  // installs that sink

// Reports at most ten times a second; the destructor reports the end.
class Progress {
 public:
  Progress(std::string task, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Update(int64_t done, const std::string& note = "");

 private:
  void Report(bool finished);
  ProgressEvent event_;
  Stopwatch watch_;
  double last_report_ = -1;
};

}  // namespace v2r
