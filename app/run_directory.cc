#include "app/run_directory.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "app/tfevents.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "envs/versions.h"

namespace v2r {
namespace {

std::string TimeStamp(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[64];
  std::strftime(text, sizeof(text), format, &local);
  return text;
}

std::string CpuModel() {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// Drops rows after `step` from metrics.jsonl; progress.csv is written anew from what is left.
void TruncateMetrics(const std::filesystem::path& run, int64_t step) {
  std::string kept;
  std::vector<MetricRow> rows;
  for (MetricRow& row : ReadMetrics(run)) {
    if (row.step <= step) rows.push_back(std::move(row));
  }
  WriteFileAtomic(run / "metrics.jsonl", "");
  std::error_code ignored;
  std::filesystem::remove(run / "progress.csv", ignored);
  MetricFan fan;
  fan.Add(MakeJsonlSink(run / "metrics.jsonl", false));
  fan.Add(MakeCsvSink(run / "progress.csv", false));
  for (const MetricRow& row : rows) fan.Write(row.step, row.values);
  fan.Flush();
}

}  // namespace

std::filesystem::path MakeRunDirectory(const std::filesystem::path& root, const std::string& env,
                                       const std::string& exp_name, int64_t seed) {
  std::string name = env;
  if (name.rfind("v2r/", 0) == 0) name = name.substr(4);
  for (char& c : name) {
    if (c == '/' || c == ' ') c = '-';
  }
  const std::string base =
      fmt::format("{}__{}__{}__{}", name, exp_name, seed, TimeStamp("%Y%m%d-%H%M%S"));
  MakeDirectories(root);
  for (int copy = 1;; ++copy) {
    const std::filesystem::path path = root / (copy == 1 ? base : fmt::format("{}-{}", base, copy));
    std::error_code error;
    if (std::filesystem::create_directory(path, error)) return path;
    if (error) ThrowUser("{}: cannot make the run directory: {}", path.string(), error.message());
  }
}

std::vector<std::pair<std::string, std::string>> MachineFacts() {
  utsname name{};
  uname(&name);
  std::string why;
  const bool cuda = CudaAvailable(&why);
  return {{"cpu", CpuModel()},
          {"cores", std::to_string(std::thread::hardware_concurrency())},
          {"os", fmt::format("{} {}", name.sysname, name.release)},
          {"torch", TORCH_VERSION},
          {"torch_threads", std::to_string(at::get_num_threads())},
          {"mujoco", MujocoVersion()},
          {"gpu", cuda ? DescribeDevice(torch::kCUDA) : "none (" + why + ")"},
          {"v2r", V2R_VERSION},
          {"date", TimeStamp("%Y-%m-%d %H:%M:%S")}};
}

void WriteRunHeader(const std::filesystem::path& run, const ConfigNode& resolved,
                    const std::vector<std::string>& overrides,
                    const std::vector<std::pair<std::string, std::string>>& facts) {
  WriteFileAtomic(run / "config.yaml", resolved.ToYaml());
  std::string words;
  for (const std::string& word : overrides) words += word + "\n";
  WriteFileAtomic(run / "overrides.txt", words);
  nlohmann::ordered_json manifest;
  for (const auto& [key, value] : facts) manifest[key] = value;
  WriteFileAtomic(run / "manifest.json", manifest.dump(2) + "\n");
}

std::unique_ptr<MetricSink> OpenMetrics(const std::filesystem::path& run, bool tensorboard,
                                        int64_t resume_step) {
  MakeDirectories(run);
  const bool resume = resume_step >= 0;
  if (resume) TruncateMetrics(run, resume_step);
  auto fan = std::make_unique<MetricFan>();
  fan->Add(MakeJsonlSink(run / "metrics.jsonl", resume));
  fan->Add(MakeCsvSink(run / "progress.csv", resume));
  if (tensorboard) fan->Add(MakeTensorboardSink(run));
  return fan;
}

std::vector<MetricRow> ReadMetrics(const std::filesystem::path& run) {
  std::vector<MetricRow> rows;
  std::ifstream in(run / "metrics.jsonl");
  std::string line;
  while (std::getline(in, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.contains("step")) {
      LogWarn("{}: skipped a line that is no metrics row", (run / "metrics.jsonl").string());
      continue;
    }
    MetricRow row;
    row.step = json["step"].get<int64_t>();
    for (const auto& [name, value] : json.items()) {
      if (name != "step") row.values[name] = value.is_number() ? value.get<double>() : std::nan("");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace v2r
