#include "app/report.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/run_directory.h"
#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

constexpr char kStyle[] =
    "body{font-family:sans-serif;margin:24px auto;max-width:1000px;padding:0 16px;color:#222}"
    "h1{font-size:22px}h2{font-size:17px;margin-top:28px;border-bottom:1px solid "
    "#ddd;padding-bottom:4px}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:12px}"
    "table{border-collapse:collapse}td,th{padding:3px 12px 3px 0;text-align:left;font-size:14px}"
    "pre{background:#f6f6f6;padding:10px;font-size:12px;overflow:auto;max-height:420px}video{max-"
    "width:320px;margin-right:12px}";

struct Chart {
  const char* title;
  std::vector<std::pair<const char*, const char*>> lines;  // metric, legend
};
const std::vector<Chart>& PretrainingCharts() {
  static const std::vector<Chart> charts = {
      {"pretraining loss", {{"pretrain/loss", "loss"}}},
      {"effective dimensions of the embedding", {{"pretrain/effective_dims", "dimensions"}}},
  };
  return charts;
}
const std::vector<Chart>& Charts() {
  static const std::vector<Chart> charts = {
      {"learned return an episode (trained on)", {{"rollout/ep_rew_mean", "learned"}}},
      {"true return an episode (only watched)",
       {{"rollout/ep_true_rew_mean", "training"}, {"eval/mean_reward", "evaluation"}}},
      {"success rate (only watched)",
       {{"rollout/success_rate", "training"}, {"eval/success_rate", "evaluation"}}},
      {"environment steps/s", {{"time/fps", "steps/s"}}},
      {"online classifier",
       {{"reward/classifier_loss", "loss"}, {"reward/classifier_accuracy", "accuracy"}}},
      {"approximate KL and clip fraction",
       {{"train/approx_kl", "approx_kl"}, {"train/clip_fraction", "clip_fraction"}}},
      {"explained variance", {{"train/explained_variance", "explained variance"}}},
      {"policy standard deviation", {{"train/std", "std"}}},
  };
  return charts;
}

nlohmann::ordered_json ReadJson(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nullptr;
  auto json = nlohmann::ordered_json::parse(ReadFile(path), nullptr, false);
  if (json.is_discarded()) ThrowUser("{}: not valid JSON", path.string());
  return json;
}

std::string JsonTable(const nlohmann::ordered_json& json) {
  std::string html = "<table>";
  for (const auto& [key, value] : json.items()) {
    std::string text = value.is_string()         ? value.get<std::string>()
                       : value.is_number_float() ? fmt::format("{:.4g}", value.get<double>())
                                                 : value.dump();
    html += fmt::format("<tr><th>{}</th><td>{}</td></tr>", EscapeXml(key), EscapeXml(text));
  }
  return html + "</table>";
}

std::string ChartsHtml(const std::vector<Chart>& charts, const char* x_label,
                       const std::vector<MetricRow>& rows) {
  std::string html = "<div class='charts'>";
  for (const Chart& chart : charts) {
    std::vector<Series> series;
    for (const auto& [metric, legend] : chart.lines) {
      Series line{legend, {}};
      for (const MetricRow& row : rows) {
        const auto found = row.values.find(metric);
        if (found != row.values.end())
          line.points.emplace_back(static_cast<double>(row.step), found->second);
      }
      if (!line.points.empty()) series.push_back(std::move(line));
    }
    if (!series.empty()) html += "<div>" + LineChartSvg(chart.title, x_label, series) + "</div>";
  }
  return html + "</div>";
}

// Seconds by part of the last row: where the time went.
std::string TimeHtml(const std::vector<MetricRow>& rows) {
  if (rows.empty()) return "";
  std::string html = "<table><tr><th>part</th><th>seconds</th></tr>";
  for (const auto& [name, value] : rows.back().values) {
    if (name.rfind("time/", 0) == 0 && name != "time/fps") {
      html += fmt::format("<tr><td>{}</td><td>{:.2f}</td></tr>", name.substr(5), value);
    }
  }
  return html + "</table>";
}

std::string VideosHtml(const std::filesystem::path& run) {
  std::vector<std::string> names;
  if (std::filesystem::is_directory(run / "videos")) {
    for (const auto& entry : std::filesystem::directory_iterator(run / "videos")) {
      if (entry.path().extension() == ".mp4") names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  std::string html;
  for (const std::string& name : names) {
    html += fmt::format(
        "<figure style='display:inline-block;margin:0'><video controls loop muted "
        "src='videos/{}'></video>"
        "<figcaption>{}</figcaption></figure>",
        name, name);
  }
  return html;
}

}  // namespace

const char* PageStyle() { return kStyle; }

std::filesystem::path WriteReport(const std::filesystem::path& run) {
  const std::vector<MetricRow> rows = ReadMetrics(run);
  const auto summary = ReadJson(run / "summary.json");
  const auto quality = ReadJson(run / "quality.json");
  const auto manifest = ReadJson(run / "manifest.json");
  std::string html =
      "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>v2r run</title><style>";
  html += kStyle;
  html += "</style></head><body><h1>" +
          EscapeXml(std::filesystem::absolute(run).lexically_normal().filename().string()) +
          "</h1>";
  if (!summary.is_null()) html += "<h2>Result (last policy)</h2>" + JsonTable(summary);
  html += "<h2>Videos</h2>" + VideosHtml(run);
  html += "<h2>Curves</h2>" + ChartsHtml(Charts(), "environment steps", rows);
  if (std::filesystem::exists(run / "pretrain" / "metrics.jsonl")) {
    html += "<h2>Pretraining</h2>" +
            ChartsHtml(PretrainingCharts(), "iterations", ReadMetrics(run / "pretrain"));
  }
  html += "<h2>Where the time went</h2>" + TimeHtml(rows);
  if (!quality.is_null()) html += "<h2>Reward quality before training</h2>" + JsonTable(quality);
  if (!manifest.is_null()) html += "<h2>Machine</h2>" + JsonTable(manifest);
  html +=
      "<h2>Config</h2><pre>" + EscapeXml(ReadFile(run / "config.yaml")) + "</pre></body></html>\n";
  WriteFileAtomic(run / "report.html", html);
  return run / "report.html";
}

}  // namespace v2r
