// Environment steps a second without pictures, against the limit: bare mj_step on as many threads
// with nothing in between, on the same models, actions and lengths of episodes.
//   step_bench [--tasks=gym/] [--threads=2] [--envs=32] [--turns=5] [--ms=400]
// --tasks: a name, or the beginning of names; all by default.
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

// Every simulation restarts after `episode` steps, one after the other: where random actions end an
// episode early, the model is seldom in the states that come later, and these cost more.
Sample BareLoop(const mjModel* model, double control_dt, int envs, int threads, int64_t episode,
                double seconds) {
  const int substeps = static_cast<int>(std::lround(control_dt / model->opt.timestep));
  return OnThreads(threads, [&](int t, auto begin) {
    Rng rng(t);
    std::vector<DataPtr> states;
    for (int i = t; i < envs; i += threads) states.emplace_back(mj_makeData(model));
    begin();
    int64_t rounds = 0;
    for (const Stopwatch watch; watch.Seconds() < seconds; ++rounds) {
      for (size_t i = 0; i < states.size(); ++i) {
        mjData* data = states[i].get();
        if ((rounds + static_cast<int64_t>(i)) % episode == 0) mj_resetData(model, data);
        for (int j = 0; j < model->nu; ++j) {
          data->ctrl[j] =
              rng.Uniform(model->actuator_ctrlrange[2 * j], model->actuator_ctrlrange[2 * j + 1]);
        }
        for (int k = 0; k < substeps; ++k) mj_step(model, data);
      }
    }
    return rounds * static_cast<int64_t>(states.size());
  });
}

// Steps with random actions, and how many episodes ended.
class Runner {
 public:
  explicit Runner(const EnvOptions& options) : env_(MakeVectorEnv(options)), rng_(2) {
    env_->Reset(1);
    actions_.resize(env_->Spec().num_envs * env_->Spec().act_dim);
  }
  int64_t Step() {
    const VectorEnvSpec& spec = env_->Spec();
    for (size_t k = 0; k < actions_.size(); ++k) {
      const size_t j = k % spec.act_dim;
      actions_[k] = static_cast<float>(rng_.Uniform(spec.act_low[j], spec.act_high[j]));
    }
    const BatchView view = env_->Step(actions_);
    steps_ += spec.num_envs;
    for (int64_t i = 0; i < spec.num_envs; ++i) ends_ += view.terminated[i] | view.truncated[i];
    return spec.num_envs;
  }
  double control_dt() const { return env_->Spec().control_dt; }
  int64_t Episode() const {
    return ends_ > 0 ? std::max<int64_t>(1, steps_ / ends_) : env_->Spec().max_episode_steps;
  }

 private:
  std::unique_ptr<VectorEnv> env_;
  Rng rng_;
  std::vector<float> actions_;
  int64_t steps_ = 0, ends_ = 0;
};

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
    EnvOptions options;
    options.id = id;
    options.num_envs = envs;
    options.env_threads = threads;
    options.render = false;
    Runner runner(options);
    const ModelPtr model = LoadModel(EnvRegistry().Make(id, {})->Spec().model);
    for (int k = 0; k < 200; ++k) runner.Step();
    const auto r = InTurns(
        turns,
        [&] {
          return BareLoop(model.get(), runner.control_dt(), envs, threads, runner.Episode(),
                          seconds);
        },
        [&] { return Repeat(seconds, [&] { return runner.Step(); }); });
    std::printf("%-28s %11.0f (%5.2f) %11.0f (%5.2f) %8.2f %8.2f %8lld\n", id.c_str(),
                r[0].per_second, r[0].cpu_us, r[1].per_second, r[1].cpu_us,
                r[1].per_second / r[0].per_second, r[0].cpu_us / r[1].cpu_us,
                static_cast<long long>(runner.Episode()));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
