// Named numbers and where they go. Metric names are SB3's (rollout/ep_rew_mean, train/approx_kl, time/fps, ...).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace v2r {

using Metrics = std::map<std::string, double>;

// Receives one row of metrics a step. Not thread-safe; owned by the experiment.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  // `step` is the environment step (RL) or the iteration (pretraining).
  virtual void Write(int64_t step, const Metrics& metrics) = 0;
  virtual void Flush() {}
};

// One JSON object a line: {"step": ..., "name": value, ...}. NaN and infinities are written as null.
std::unique_ptr<MetricSink> MakeJsonlSink(const std::filesystem::path& path, bool append);
// progress.csv: the header grows when new names appear (the file is rewritten atomically then).
std::unique_ptr<MetricSink> MakeCsvSink(const std::filesystem::path& path, bool append);

// Hands every row to all of its sinks.
class MetricFan : public MetricSink {
 public:
  void Add(std::unique_ptr<MetricSink> sink) { sinks_.push_back(std::move(sink)); }
  void Write(int64_t step, const Metrics& metrics) override;
  void Flush() override;

 private:
  std::vector<std::unique_ptr<MetricSink>> sinks_;
};

}  // namespace v2r
