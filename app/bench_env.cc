// v2r bench env: steps a second against bare mj_step and, where a script measures it, EnvPool and
// Gymnasium on as many threads, all in turns in one run.
#include "app/bench_env.h"

#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/text.h"
#include "envs/make.h"
#include "envs/step_rate.h"

namespace v2r {
namespace {

constexpr int kTurns = 4;

std::string Quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

struct PeerRates {
  double envpool = 0, gymnasium = 0;  // steps a second; 0 = not measured
};

// The last line that the script prints is a JSON object (envpool_sync, envpool_async,
// gymnasium_sync, envpool_error).
PeerRates RunPeer(const BenchEnvOptions& options, const std::string& task, int64_t envs,
                  int64_t threads) {
  const std::string command = fmt::format(
      "{} {} --task {} --num-envs {} --threads {} --seconds {} 2>&1", Quoted(options.python),
      Quoted(options.peer), Quoted(task), envs, threads, options.seconds);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) ThrowUser("bench: cannot start {}", command);
  std::string text, last;
  char buffer[4096];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  const int status = ::pclose(pipe);
  for (const std::string& line : Split(text, '\n')) {
    if (!line.empty()) last = line;
  }
  const auto json = nlohmann::json::parse(last, nullptr, /*allow_exceptions=*/false);
  if (status != 0 || !json.is_object()) {
    ThrowUser("bench: {}\nended without the JSON line of rates:\n{}", command, text);
  }
  if (json.contains("envpool_error")) {
    std::cerr << "EnvPool, " << task << ": " << json["envpool_error"] << "\n";
  }
  return {std::max(json.value("envpool_sync", 0.0), json.value("envpool_async", 0.0)),
          json.value("gymnasium_sync", 0.0)};
}

std::string Number(double rate) { return rate > 0 ? fmt::format("{:.0f}", rate) : "-"; }
std::string Ratio(double ours, double other) {
  return other > 0 ? fmt::format("{:.2f}", ours / other) : "-";
}

}  // namespace

int BenchEnvs(const BenchEnvOptions& options, const EnvOptions& env) {
  std::vector<std::string> tasks;
  for (const std::string& id : EnvNames()) {
    if (id.starts_with(options.tasks) && id != "mjcf") tasks.push_back(id);
  }
  if (tasks.empty()) {
    ThrowUser("bench env: no task begins with '{}'{}", options.tasks,
              DidYouMean(options.tasks, EnvNames()));
  }
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  const int64_t threads = std::min(env.env_threads > 0 ? env.env_threads : cores, env.num_envs);
  std::vector<std::vector<std::string>> table = {
      {"task", "ours", "bare", "ratio", "EnvPool", "ratio", "Gymnasium", "ratio"}};
  double logs = 0, least = INFINITY, least_bare = INFINITY;
  int compared = 0;
  int64_t done = 0;
  Progress progress("measuring", static_cast<int64_t>(tasks.size()) * options.rounds);
  for (const std::string& id : tasks) {
    double ours = 0, bare = 0;
    PeerRates peer;
    const bool known = id.starts_with("gym/");  // by the peers
    for (int64_t round = 0; round < options.rounds; ++round) {
      PollInterrupt();
      const StepRate rate =
          MeasureStepRate(id, static_cast<int>(env.num_envs), static_cast<int>(threads), kTurns,
                          options.seconds / kTurns);
      ours = std::max(ours, rate.ours.per_second);
      bare = std::max(bare, rate.bare.per_second);
      if (!options.peer.empty() && known) {
        const PeerRates other =
            RunPeer(options, id.substr(std::string("gym/").size()), env.num_envs, threads);
        peer = {std::max(peer.envpool, other.envpool), std::max(peer.gymnasium, other.gymnasium)};
      }
      progress.Update(++done, id);
    }
    least_bare = std::min(least_bare, ours / bare);
    if (peer.envpool > 0) {
      logs += std::log(ours / peer.envpool);
      least = std::min(least, ours / peer.envpool);
      ++compared;
    }
    table.push_back({id, Number(ours), Number(bare), Ratio(ours, bare), Number(peer.envpool),
                     Ratio(ours, peer.envpool), Number(peer.gymnasium),
                     Ratio(ours, peer.gymnasium)});
  }
  std::cout << fmt::format("steps/s, {} environments, {} threads, no pictures, best of {} rounds\n",
                           env.num_envs, threads, options.rounds)
            << Table(table) << fmt::format("of bare mj_step: least {:.2f}\n", least_bare);
  if (compared > 0) {
    std::cout << fmt::format("of EnvPool: geometric mean {:.2f}, least {:.2f}\n",
                             std::exp(logs / compared), least);
  }
  return 0;
}

}  // namespace v2r
