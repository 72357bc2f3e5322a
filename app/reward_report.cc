#include "app/reward_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "app/report.h"
#include "app/setup.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "media/manifest.h"
#include "reward/needs.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// True distances of the films that carry them, by name.
std::map<std::string, std::vector<double>> ReadTruth(const fs::path& folder) {
  std::map<std::string, std::vector<double>> truth;
  const fs::path listed = folder / "manifest.json";
  if (!fs::exists(listed)) return truth;
  for (const ManifestClip& clip : ReadManifest(listed).clips) {
    const auto extra = nlohmann::json::parse(clip.extra);
    const auto found = extra.find("true_distance");
    if (found == extra.end()) continue;
    auto& values = truth[clip.file];
    for (const auto& value : *found) {
      if (!value.is_number() && !value.is_null()) {
        ThrowUser("{} ({}): true_distance should be a list of numbers, has {}", listed.string(),
                  clip.file, value.dump());
      }
      values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                       : value.get<double>());
    }
  }
  return truth;
}

std::vector<ReportClip> LoadFilms(const ReportFilms& films, const EncoderSpec& spec) {
  const auto truth = ReadTruth(films.path);
  std::vector<ReportClip> clips;
  std::map<std::string, int64_t> counts;
  for (Clip& clip : LoadDemos(films.path, spec).clips) {
    if (films.max_clips > 0 && counts[clip.label]++ >= films.max_clips) continue;
    ReportClip film{clip.name, clip.label, clip.frames, {}};
    const auto found = truth.find(clip.name);
    if (found != truth.end()) {
      if (static_cast<int64_t>(found->second.size()) == clip.frames.size(0)) {
        film.true_distance = found->second;
      } else {
        LogWarn("{}: {} frames and {} true distances; its truth is left out", clip.name,
                clip.frames.size(0), found->second.size());
      }
    }
    clips.push_back(std::move(film));
  }
  return clips;
}

// File names where they differ, else the names of their folders, else both.
std::vector<std::string> Names(const std::vector<std::string>& paths) {
  const auto unique = [&](auto name_of) {
    std::set<std::string> names;
    for (const std::string& path : paths) names.insert(name_of(fs::path(path)));
    return names.size() == paths.size();
  };
  const auto file = [](const fs::path& path) { return path.filename().string(); };
  const auto folder = [](const fs::path& path) { return path.parent_path().filename().string(); };
  const bool by_file = unique(file), by_folder = unique(folder);
  std::vector<std::string> names;
  for (const fs::path path : paths) {
    names.push_back(by_file     ? file(path)
                    : by_folder ? folder(path)
                                : (fs::path(folder(path)) / file(path)).string());
  }
  return names;
}

// ---- the page

// Mean reward of the clips of a label over the share of the way, at `kPoints` places.
Series MeanCurve(const RewardReport& report, const std::string& label, const std::string& title) {
  constexpr int kPoints = 41;
  Series series{title, {}};
  for (int i = 0; i < kPoints; ++i) {
    const double share = static_cast<double>(i) / (kPoints - 1);
    double sum = 0;
    int64_t count = 0;
    for (const auto& curve : report.curves) {
      if (curve.label != label || curve.calibrated) continue;
      const double at = share * static_cast<double>(curve.rewards.size() - 1);
      const auto low = static_cast<size_t>(at);
      const size_t high = std::min(low + 1, curve.rewards.size() - 1);
      sum += curve.rewards[low] +
             (at - static_cast<double>(low)) * (curve.rewards[high] - curve.rewards[low]);
      ++count;
    }
    if (count > 0) series.points.emplace_back(share, sum / static_cast<double>(count));
  }
  return series;
}

// Mean reward of the states by their true distance, and of the best and worst tenth of each place.
std::vector<Series> TruthCurves(const RewardReport& report) {
  constexpr size_t kBins = 16;
  auto states = report.truth;
  std::sort(states.begin(), states.end());
  Series mean{"mean", {}}, low{"worst tenth", {}}, high{"best tenth", {}};
  const size_t bins = std::min(kBins, states.size() / 4);
  for (size_t b = 0; b < bins; ++b) {
    const size_t first = b * states.size() / bins, last = (b + 1) * states.size() / bins;
    std::vector<double> rewards;
    double distance = 0, sum = 0;
    for (size_t i = first; i < last; ++i) {
      distance += states[i].first;
      sum += states[i].second;
      rewards.push_back(states[i].second);
    }
    std::sort(rewards.begin(), rewards.end());
    const auto count = static_cast<double>(last - first);
    mean.points.emplace_back(distance / count, sum / count);
    low.points.emplace_back(distance / count, rewards[rewards.size() / 10]);
    high.points.emplace_back(distance / count, rewards[rewards.size() - 1 - rewards.size() / 10]);
  }
  return {mean, high, low};
}

std::string MeasuresHtml(const std::vector<RewardReport>& reports) {
  const RewardReport* longest = nullptr;
  std::string html = "<table><tr><th>measure</th>";
  for (const RewardReport& report : reports) {
    html += "<th>" + EscapeXml(report.name) + "</th>";
    if (longest == nullptr || report.measures.size() > longest->measures.size()) longest = &report;
  }
  html += "<th>wanted</th></tr>";
  for (const ReportMeasure& measure : longest->measures) {
    html += "<tr><td>" + EscapeXml(measure.title) + "</td>";
    for (const RewardReport& report : reports) {
      const ReportMeasure* found = report.Find(measure.key);
      if (found == nullptr || std::isnan(found->value)) {
        html += "<td class='none'>n/a</td>";
        continue;
      }
      const char* style = found->verdict > 0 ? "good" : found->verdict < 0 ? "bad" : "told";
      html += fmt::format("<td class='{}'>{}</td>", style, found->Text());
    }
    html += "<td>" + EscapeXml(measure.wanted) + "</td></tr>";
  }
  return html + "</table>";
}

std::string ChartsHtml(const RewardReport& report) {
  std::vector<Series> labels;
  for (const auto& [label, title] :
       {std::pair("good", "good, held out"), {"near_miss", "near miss"}, {"random", "random"}}) {
    Series series = MeanCurve(report, label, title);
    if (!series.points.empty()) labels.push_back(std::move(series));
  }
  constexpr size_t kCurves = 5;
  std::vector<Series> clips;
  for (const auto& curve : report.curves) {
    if (curve.label != "good" || curve.calibrated || clips.size() == kCurves) continue;
    Series series{fs::path(curve.name).stem().string(), {}};
    for (size_t t = 0; t < curve.rewards.size(); ++t) {
      series.points.emplace_back(static_cast<double>(t + 1), curve.rewards[t]);
    }
    clips.push_back(std::move(series));
  }
  std::string html = "<div class='charts'><div>" +
                     LineChartSvg("mean reward by label", "share of the clip", labels) +
                     "</div><div>" + LineChartSvg("held-out good clips", "step", clips) + "</div>";
  if (!report.truth.empty()) {
    html += "<div>" +
            LineChartSvg("reward by true distance", "true distance (m)", TruthCurves(report)) +
            "</div>";
  }
  return html + "</div>";
}

void WritePage(const RewardCommandOptions& options, const std::vector<RewardReport>& reports) {
  std::string html =
      "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>v2r "
      "reward</title><style>";
  html += PageStyle();
  html +=
      "td.good{color:#1d7a3a}td.bad{color:#b0413e;font-weight:bold}td.none{color:#999}"
      "tr:nth-child(even){background:#f6f6f6}</style></head><body><h1>Reward ";
  html += EscapeXml(options.reward.name) + " on " +
          EscapeXml(fs::path(options.data.path).lexically_normal().filename().string()) + "</h1>";
  html +=
      "<p>Green: within what is wanted. None of these numbers is used to stop or to choose a run. "
      "A high VOC alone says little: look at the bad clips, the controls and the truth.</p>";
  html += MeasuresHtml(reports);
  for (const RewardReport& report : reports) {
    html += "<h2>" + EscapeXml(report.name) + "</h2>";
    html += report.error.empty() ? ChartsHtml(report) : "<p>" + EscapeXml(report.error) + "</p>";
  }
  html +=
      "<h2>Config</h2><pre>" + EscapeXml(Dump(options.reward).ToYaml()) + "</pre></body></html>\n";
  WriteFileAtomic(fs::path(options.out) / "reward_report.html", html);
}

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

void WriteJson(const RewardCommandOptions& options, const std::vector<RewardReport>& reports) {
  Json json;
  json["reward"] = options.reward.name;
  json["reports"] = Json::array();
  for (const RewardReport& report : reports) {
    Json entry = {{"name", report.name}};
    if (!report.error.empty()) entry["error"] = report.error;
    entry["measures"] = Json::object();
    for (const ReportMeasure& measure : report.measures) {
      entry["measures"][measure.key] = Number(measure.value);
    }
    entry["clips"] = Json::array();
    for (const auto& curve : report.curves) {
      Json clip = {{"name", curve.name}, {"label", curve.label}, {"calibrated", curve.calibrated}};
      clip["rewards"] = Json::array();
      for (const double reward : curve.rewards) clip["rewards"].push_back(Number(reward));
      entry["clips"].push_back(std::move(clip));
    }
    json["reports"].push_back(std::move(entry));
  }
  WriteFileAtomic(fs::path(options.out) / "reward_report.json", json.dump(2) + "\n");
}

}  // namespace

std::vector<RewardReport> ReportRewards(const RewardCommandOptions& options) {
  if (options.data.path.empty()) {
    ThrowUser("data: say which films, e.g.  v2r reward encoder=FILE data=FOLDER reward=NAME");
  }
  SetTorchThreads(static_cast<int>(options.torch_threads));
  const torch::Device device = ResolveDevice(options.device);
  std::vector<std::string> paths = options.encoder.more;
  if (!options.encoder.path.empty()) paths.insert(paths.begin(), options.encoder.path);
  const bool needs_encoder = !TreeHas(options.reward, "pixel_l2");
  if (paths.empty() && needs_encoder) {
    ThrowUser("encoder: reward '{}' needs one, e.g.  v2r reward encoder=FILE data=FOLDER",
              options.reward.name);
  }
  if (!needs_encoder) paths = {""};
  std::vector<std::string> names = Names(paths);
  std::vector<RewardOptions> rewards(paths.size(), options.reward);
  if (!needs_encoder) names = {"pixels"};
  if (needs_encoder && options.encoder.pixels && options.reward.name == "goal_distance") {
    paths.push_back("");
    names.push_back("pixels");
    rewards.push_back(options.reward);
    rewards.back().name = "pixel_l2";
  }
  std::vector<RewardReport> reports;
  for (size_t i = 0; i < paths.size(); ++i) {
    try {
      const auto encoder = MakeRewardEncoder(rewards[i], paths[i], device);
      if (encoder == nullptr)
        ThrowUser("the true reward has no quality report: choose a learned reward.name");
      const auto clips = LoadFilms(options.data, encoder->spec());
      reports.push_back(
          MeasureReward(names[i], rewards[i], encoder, device, clips, options.report));
    } catch (const UserError& error) {
      if (paths.size() == 1) throw;
      RewardReport refused;
      refused.name = names[i];
      refused.error = error.what();
      reports.push_back(std::move(refused));
    }
  }
  const bool any = std::any_of(reports.begin(), reports.end(),
                               [](const RewardReport& report) { return report.error.empty(); });
  if (!any) ThrowUser("{}", reports[0].error);
  MakeDirectories(options.out);
  WriteJson(options, reports);
  WritePage(options, reports);
  return reports;
}

}  // namespace v2r
