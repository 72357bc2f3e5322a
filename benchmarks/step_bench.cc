// Environment steps a second without pictures, against the limit: bare mj_step on as many threads
// with nothing in between.
//   step_bench [--threads=2] [--envs=32] [--turns=5] [--ms=400]
#include <cmath>
#include <cstdio>
#include <vector>

#include "benchmarks/bench.h"
#include "core/log.h"
#include "core/rng.h"
#include "envs/env.h"
#include "envs/make.h"

namespace v2r {
namespace {

Sample BareLoop(const mjModel* model, const EnvSpec& spec, int envs, int threads, double seconds) {
  const int substeps = static_cast<int>(std::lround(spec.control_dt / model->opt.timestep));
  return OnThreads(threads, [&](int t, auto begin) {
    Rng rng(t);
    std::vector<DataPtr> states;
    for (int i = 0; i < envs / threads; ++i) states.emplace_back(mj_makeData(model));
    begin();
    int64_t rounds = 0;
    for (const Stopwatch watch; watch.Seconds() < seconds; ++rounds) {
      for (auto& data : states) {
        if (rounds % spec.max_episode_steps == 0) mj_resetData(model, data.get());
        for (int j = 0; j < model->nu; ++j) {
          data->ctrl[j] = rng.Uniform(-1, 1) * model->actuator_ctrlrange[2 * j + 1];
        }
        for (int k = 0; k < substeps; ++k) mj_step(model, data.get());
      }
    }
    return rounds * static_cast<int64_t>(states.size());
  });
}

Sample EnvSteps(VectorEnv& env, Rng& rng, double seconds) {
  std::vector<float> actions(env.Spec().num_envs * env.Spec().act_dim);
  return Repeat(seconds, [&] {
    for (float& a : actions) a = static_cast<float>(rng.Uniform(-1, 1));
    env.Step(actions);
    return env.Spec().num_envs;
  });
}

int Main(int argc, char** argv) {
  InitLog();
  const int threads = Flag(argc, argv, "threads", 2), envs = Flag(argc, argv, "envs", 32);
  const int turns = Flag(argc, argv, "turns", 5);
  const double seconds = Flag(argc, argv, "ms", 400) / 1000.0;
  std::printf("%d envs, %d threads, no pictures: steps/s (processor us a step), best of %d turns\n",
              envs, threads, turns);
  std::printf("%-16s %20s %20s %8s %8s\n", "task", "bare mj_step", "VectorEnv", "ratio", "cpu");
  for (const std::string& id : EnvNames()) {
    if (id == "mjcf") continue;  // the user's own model
    const EnvSpec spec = EnvRegistry().Make(id, {})->Spec();
    const ModelPtr model = LoadModel(spec.model);
    EnvOptions options;
    options.id = id;
    options.num_envs = envs;
    options.env_threads = threads;
    options.render = false;
    const auto env = MakeVectorEnv(options);
    env->Reset(1);
    Rng rng(2);
    const auto r = InTurns(
        turns, [&] { return BareLoop(model.get(), spec, envs, threads, seconds); },
        [&] { return EnvSteps(*env, rng, seconds); });
    std::printf("%-16s %11.0f (%5.2f) %11.0f (%5.2f) %8.2f %8.2f\n", id.c_str(), r[0].per_second,
                r[0].cpu_us, r[1].per_second, r[1].cpu_us, r[1].per_second / r[0].per_second,
                r[0].cpu_us / r[1].cpu_us);
  }
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
