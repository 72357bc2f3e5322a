// report.html: one self-contained page a run (inline SVG, no network).
#pragma once

#include <filesystem>
#include <string>

namespace v2r {

// Reads metrics.jsonl, config.yaml, summary.json, quality.json and the videos of a run and writes
// report.html into it.
std::filesystem::path WriteReport(const std::filesystem::path& run);

// The style of our pages, for between <style> tags.
const char* PageStyle();
// Text between tags.
std::string EscapeXml(const std::string& text);

// An SVG line chart. Series: (name, points (x, y)); NaN breaks the line.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
std::string LineChartSvg(const std::string& title, const std::string& x_label,
                         const std::vector<Series>& series);

}  // namespace v2r
