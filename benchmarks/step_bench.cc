// Environment steps a second without pictures, against the limit: bare mj_step (envs/step_rate.h).
// Needs no torch; `v2r bench env` measures the same, and EnvPool beside it.
//   step_bench [--tasks=gym/] [--threads=2] [--envs=32] [--turns=5] [--ms=400]
// --tasks: a name, or the beginning of names; all by default.
#include <cstdio>

#include "benchmarks/bench.h"
#include "core/log.h"
#include "envs/make.h"
#include "envs/step_rate.h"

namespace v2r {
namespace {

int Main(int argc, char** argv) {
  InitLog();
  const int threads = Flag(argc, argv, "threads", 2), envs = Flag(argc, argv, "envs", 32);
  const int turns = Flag(argc, argv, "turns", 5);
  const double seconds = Flag(argc, argv, "ms", 400) / 1000.0;
  const std::string tasks = TextFlag(argc, argv, "tasks", "");
  std::printf("%d envs, %d threads, no pictures: steps/s (processor us a step), best of %d turns\n",
              envs, threads, turns);
  std::printf("%-28s %20s %20s %8s %8s %8s\n", "task", "bare mj_step", "VectorEnv", "ratio", "cpu",
              "episode");
  for (const std::string& id : EnvNames()) {
    if (!id.starts_with(tasks) || id == "mjcf") continue;  // mjcf: the user's own model
    const StepRate r = MeasureStepRate(id, envs, threads, turns, seconds);
    std::printf("%-28s %11.0f (%5.2f) %11.0f (%5.2f) %8.2f %8.2f %8lld\n", id.c_str(),
                r.bare.per_second, r.bare.cpu_us, r.ours.per_second, r.ours.cpu_us,
                r.ours.per_second / r.bare.per_second, r.bare.cpu_us / r.ours.cpu_us,
                static_cast<long long>(r.episode));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
