// A run's folder: the only place a run writes to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/metrics.h"

namespace v2r {

// Creates {root}/{env}__{exp}__{seed}__{YYYYmmdd-HHMMSS}, with -2, -3, ... when it exists.
std::filesystem::path MakeRunDirectory(const std::filesystem::path& root, const std::string& env,
                                       const std::string& exp_name, int64_t seed);

// config.yaml (every value), overrides.txt, manifest.json (versions, machine, threads, device,
// encoder fingerprint).
void WriteRunHeader(const std::filesystem::path& run, const ConfigNode& resolved,
                    const std::vector<std::string>& overrides,
                    const std::vector<std::pair<std::string, std::string>>& facts);
// What machine and versions this program runs on, as (name, value).
std::vector<std::pair<std::string, std::string>> MachineFacts();

// metrics.jsonl, progress.csv and, when asked, TensorBoard events. With `resume_step` >= 0, rows
// after that step are dropped first.
std::unique_ptr<MetricSink> OpenMetrics(const std::filesystem::path& run, bool tensorboard,
                                        int64_t resume_step);
// Rows of metrics.jsonl.
struct MetricRow {
  int64_t step = 0;
  Metrics values;
};
std::vector<MetricRow> ReadMetrics(const std::filesystem::path& run);

}  // namespace v2r
