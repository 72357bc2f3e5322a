#include "core/metrics.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// The complete lines of a file that is to be continued; a last line without its end was cut by a
// crash and is dropped.
std::string CompleteLines(const fs::path& path) {
  std::string text = fs::exists(path) ? ReadFile(path) : "";
  const size_t end = text.rfind('\n');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

std::ofstream OpenForAppending(const fs::path& path) {
  std::ofstream file(path, std::ios::app | std::ios::binary);
  if (!file) ThrowUser("{}: cannot be opened for writing", path.string());
  return file;
}

class JsonlSink : public MetricSink {
 public:
  JsonlSink(fs::path path, bool append) : path_(std::move(path)) {
    WriteFileAtomic(path_, append ? CompleteLines(path_) : "");
    file_ = OpenForAppending(path_);
  }

  void Write(int64_t step, const Metrics& metrics) override {
    nlohmann::ordered_json row;
    row["step"] = step;
    for (const auto& [name, value] : metrics) {
      if (std::isfinite(value)) {
        row[name] = value;
      } else {
        row[name] = nullptr;
      }
    }
    file_ << row.dump() << '\n';
    Flush();
  }

  void Flush() override {
    file_.flush();
    if (!file_) ThrowUser("{}: cannot be written (is the disk full?)", path_.string());
  }

 private:
  fs::path path_;
  std::ofstream file_;
};

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// The fields of one line; quotes as in RFC 4180, no line breaks inside a field.
std::vector<std::string> CsvFields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
        fields.back() += line[++i];
      } else {
        quoted = !quoted;
      }
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

class CsvSink : public MetricSink {
 public:
  CsvSink(fs::path path, bool append) : path_(std::move(path)) {
    const std::string text = append ? CompleteLines(path_) : "";
    if (!text.empty()) {
      columns_ = CsvFields(std::string_view(text).substr(0, text.find('\n')));
      if (columns_[0] != "step") {
        ThrowUser("{}: is not a metrics table: its first column is '{}', not 'step'",
                  path_.string(), columns_[0]);
      }
    }
    WriteFileAtomic(path_, text);
    file_ = OpenForAppending(path_);
  }

  void Write(int64_t step, const Metrics& metrics) override {
    Grow(metrics);
    std::string line = fmt::format("{}", step);
    for (size_t i = 1; i < columns_.size(); ++i) {
      line += ',';
      const auto it = metrics.find(columns_[i]);
      if (it != metrics.end()) line += fmt::format("{}", it->second);
    }
    file_ << line << '\n';
    Flush();
  }

  void Flush() override {
    file_.flush();
    if (!file_) ThrowUser("{}: cannot be written (is the disk full?)", path_.string());
  }

 private:
  void Grow(const Metrics& metrics) {
    const size_t before = columns_.size();
    if (columns_.empty()) columns_.push_back("step");
    for (const auto& [name, value] : metrics) {
      if (std::find(columns_.begin() + 1, columns_.end(), name) == columns_.end()) {
        columns_.push_back(name);
      }
    }
    if (columns_.size() == before) return;
    std::vector<std::string> header;
    for (const auto& column : columns_) header.push_back(CsvField(column));
    std::string text = Join(header, ",") + "\n";
    const std::string padding(before == 0 ? 0 : columns_.size() - before, ',');
    file_.close();
    const auto lines = Split(CompleteLines(path_), '\n');
    for (size_t i = 1; i + 1 < lines.size(); ++i) text += lines[i] + padding + "\n";
    WriteFileAtomic(path_, text);
    file_ = OpenForAppending(path_);
  }

  fs::path path_;
  std::vector<std::string> columns_;
  std::ofstream file_;
};

}  // namespace

std::unique_ptr<MetricSink> MakeJsonlSink(const fs::path& path, bool append) {
  return std::make_unique<JsonlSink>(path, append);
}

std::unique_ptr<MetricSink> MakeCsvSink(const fs::path& path, bool append) {
  return std::make_unique<CsvSink>(path, append);
}

void MetricFan::Write(int64_t step, const Metrics& metrics) {
  for (const auto& sink : sinks_) sink->Write(step, metrics);
}

void MetricFan::Flush() {
  for (const auto& sink : sinks_) sink->Flush();
}

}  // namespace v2r
