#include "app/study.h"

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "app/run_directory.h"
#include "app/setup.h"
#include "app/train.h"
#include "core/config.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"

namespace v2r {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Anchors {
  double random = 0, truth = 0;
  int random_count = 0, truth_count = 0;
};

void FillN(std::vector<StudyResult>& results) {
  std::map<std::string, Anchors> tasks;
  for (const StudyResult& result : results) {
    Anchors& task = tasks[result.row.task];
    if (result.row.reward == "random") {
      task.random += result.episode_return;
      ++task.random_count;
    } else if (result.row.reward == "true") {
      if (!result.error.empty()) continue;
      task.truth += result.episode_return;
      ++task.truth_count;
    }
  }
  for (StudyResult& result : results) {
    const Anchors& task = tasks[result.row.task];
    result.N = kNan;
    if (task.random_count == 0 || task.truth_count == 0) continue;
    const double random = task.random / task.random_count;
    const double truth = task.truth / task.truth_count;
    result.N = (result.episode_return - random) / (truth - random);
  }
}

nlohmann::ordered_json Number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

void WriteResults(const std::vector<StudyResult>& results, const std::filesystem::path& out) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const StudyResult& r : results) {
    rows.push_back({{"task", r.row.task},
                    {"reward", r.row.reward},
                    {"encoder", r.row.encoder},
                    {"method", r.row.method},
                    {"seed", r.seed},
                    {"steps", r.steps},
                    {"return", Number(r.episode_return)},
                    {"success", Number(r.success)},
                    {"N", Number(r.N)},
                    {"seconds", Number(r.seconds)},
                    {"overrides", r.row.overrides},
                    {"error", r.error.empty() ? nlohmann::ordered_json(nullptr)
                                              : nlohmann::ordered_json(r.error)},
                    {"video", r.video},
                    {"report", r.report}});
  }
  nlohmann::ordered_json machine;
  for (const auto& [name, value] : MachineFacts()) machine[name] = value;
  WriteFileAtomic(out / "summary.json",
                  nlohmann::ordered_json{{"rows", rows}, {"machine", machine}}.dump(2) + "\n");
}

TrainOptions RowOptions(const StudyRow& row, int64_t seed, const std::filesystem::path& run,
                        std::vector<std::string>& overrides) {
  overrides = row.overrides;
  overrides.push_back(fmt::format("seed={}", seed));
  overrides.push_back("run_dir=" + run.string());
  TrainOptions options;
  Bind(ComposeConfig({HomeDirectory() / "configs"}, "train", overrides), options);
  return options;
}

// Rows with equal demonstrations and equal pretraining share what the first of them made.
struct Shared {
  std::map<std::string, std::string> demos, encoders;
};

void Reuse(TrainOptions& options, const Shared& shared, std::string& demos_key,
           std::string& encoder_key) {
  // Whatever shows in a film; how many environments there are, and where they run, does not.
  EnvOptions shown = options.env;
  const EnvOptions usual;
  shown.num_envs = usual.num_envs;
  shown.env_threads = shown.render_threads = 0;
  shown.autoreset = usual.autoreset;
  shown.processes = 0;
  shown.workers.clear();
  demos_key = Dump(shown).ToYaml() + Dump(options.demos).ToYaml();
  encoder_key = demos_key + Dump(options.encoder).ToYaml() + Dump(options.pretrain).ToYaml();
  if (options.demos.path.empty() && shared.demos.contains(demos_key))
    options.demos.path = shared.demos.at(demos_key);
  const bool learns = RewardNeedsFrames(options.reward) && options.reward.name != "pixel_l2";
  if (learns && options.encoder.path.empty() && shared.encoders.contains(encoder_key)) {
    options.encoder.path = shared.encoders.at(encoder_key);
  }
}

const ConfigNode& Need(const ConfigNode& map, const std::string& key) {
  const ConfigNode* found = map.is_map() ? map.Find(key) : nullptr;
  if (found == nullptr) ThrowUser("{}: a study needs '{}' here", map.origin().ToString(), key);
  return *found;
}

}  // namespace

Study LoadStudy(const std::string& name) {
  std::filesystem::path path = name;
  if (!std::filesystem::exists(path))
    path = HomeDirectory() / "configs" / "study" / (name + ".yaml");
  if (!std::filesystem::exists(path)) {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(HomeDirectory() / "configs" / "study")) {
      names.push_back(entry.path().stem().string());
    }
    ThrowUser("no study '{}'{} (known: {})", name, DidYouMean(name, names), Join(names, ", "));
  }
  const ConfigNode root = LoadYaml(path);
  Study study;
  for (const ConfigNode& seed : Need(root, "seeds").items())
    study.seeds.push_back(std::stoll(seed.text()));
  for (const ConfigNode& node : Need(root, "rows").items()) {
    StudyRow row;
    row.task = Need(node, "task").text();
    row.reward = Need(node, "reward").text();
    row.encoder = Need(node, "encoder").text();
    row.method = Need(node, "method").text();
    for (const ConfigNode& word : Need(node, "overrides").items())
      row.overrides.push_back(word.text());
    study.rows.push_back(std::move(row));
  }
  return study;
}

std::vector<StudyResult> RunStudy(const std::vector<StudyRow>& rows,
                                  const std::vector<int64_t>& seeds,
                                  const std::filesystem::path& out) {
  MakeDirectories(out);
  std::vector<StudyResult> results;
  // Random behaviour costs nothing extra: every training run evaluates it on the same episodes.
  std::map<std::string, bool> has_random;
  Shared shared;
  int64_t number = 0;
  const int64_t total = static_cast<int64_t>(rows.size() * seeds.size());
  for (const StudyRow& row : rows) {
    for (const int64_t seed : seeds) {
      LogInfo("[{}/{}] {}: reward {}, encoder {}, method {}, seed {}", ++number, total, row.task,
              row.reward, row.encoder, row.method, seed);
      const std::filesystem::path run =
          out / fmt::format("{:02d}_{}__{}__{}__{}__{}", number, row.task, row.reward, row.encoder,
                            row.method, seed);
      std::vector<std::string> overrides;
      std::string demos_key, encoder_key;
      TrainOptions options;
      TrainOutcome outcome;
      try {
        options = RowOptions(row, seed, run, overrides);
        Reuse(options, shared, demos_key, encoder_key);
        outcome = Train(options, overrides);
      } catch (const UserError& error) {
        RemoveLogFiles();
        LogWarn("refused: {}: {}", run.filename().string(), error.what());
        results.push_back({.row = row,
                           .seed = seed,
                           .episode_return = kNan,
                           .success = kNan,
                           .seconds = kNan,
                           .error = error.what()});
        WriteResults(results, out);
        continue;
      }
      if (!outcome.demos.empty()) shared.demos.emplace(demos_key, outcome.demos.string());
      if (!outcome.encoder.empty()) shared.encoders.emplace(encoder_key, outcome.encoder.string());
      if (!has_random[row.task]) {
        has_random[row.task] = true;
        results.push_back({.row = {row.task, "random", "none", "none", {}},
                           .seed = options.eval.seed,
                           .steps = 0,
                           .episode_return = outcome.random_return,
                           .success = outcome.random_success});
      }
      results.push_back({.row = row,
                         .seed = seed,
                         .steps = outcome.steps,
                         .episode_return = outcome.eval.return_mean,
                         .success = outcome.eval.success_rate,
                         .seconds = outcome.seconds,
                         .video = outcome.video.string(),
                         .report = outcome.report.string()});
      FillN(results);
      WriteResults(results, out);
    }
  }
  return results;
}

std::string StudyTable(const std::vector<StudyResult>& results) {
  struct Sum {
    int count = 0;
    double episode_return = 0, success = 0, n = 0, n2 = 0, seconds = 0;
    int64_t steps = 0;
  };
  std::vector<std::string> order;
  std::map<std::string, Sum> sums;
  std::map<std::string, StudyRow> rows;
  for (const StudyResult& r : results) {
    const std::string key =
        r.row.task + "\n" + r.row.reward + "\n" + r.row.encoder + "\n" + r.row.method;
    if (!sums.contains(key)) order.push_back(key);
    rows[key] = r.row;
    Sum& s = sums[key];
    if (!r.error.empty()) continue;
    ++s.count;
    s.episode_return += r.episode_return;
    s.success += r.success;
    s.n += r.N;
    s.n2 += r.N * r.N;
    s.seconds += r.seconds;
    s.steps = r.steps;
  }
  std::vector<std::vector<std::string>> table = {{"task", "reward", "encoder", "method", "seeds",
                                                  "steps", "return", "success %", "N", "spread",
                                                  "seconds"}};
  for (const std::string& key : order) {
    const Sum& s = sums[key];
    const StudyRow& row = rows[key];
    if (s.count == 0) {
      table.push_back(
          {row.task, row.reward, row.encoder, row.method, "0", "refused", "-", "-", "-", "-", "-"});
      continue;
    }
    const double mean = s.n / s.count;
    const double spread = std::sqrt(std::max(0.0, s.n2 / s.count - mean * mean));
    table.push_back({row.task, row.reward, row.encoder, row.method, std::to_string(s.count),
                     std::to_string(s.steps), fmt::format("{:.2f}", s.episode_return / s.count),
                     fmt::format("{:.0f}", 100 * s.success / s.count),
                     std::isfinite(mean) ? fmt::format("{:.3f}", mean) : "-",
                     s.count > 1 && std::isfinite(mean) ? fmt::format("{:.3f}", spread) : "-",
                     fmt::format("{:.0f}", s.seconds / s.count)});
  }
  return Table(table);
}

}  // namespace v2r
