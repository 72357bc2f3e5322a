#include "envs/step_rate.h"

#include <cmath>

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
    Restart();
    actions_.resize(env_->Spec().num_envs * env_->Spec().act_dim);
  }
  void Restart() { env_->Reset(1); }
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

}  // namespace

StepRate MeasureStepRate(const std::string& id, int envs, int threads, int turns, double seconds) {
  EnvOptions options;
  options.id = id;
  options.num_envs = envs;
  options.env_threads = threads;
  options.render = false;
  Runner runner(options);
  const ModelPtr model = LoadModel(EnvRegistry().Make(id, {})->Spec().model);
  for (int k = 0; k < 200; ++k) runner.Step();
  const int64_t episode = runner.Episode();
  const auto rates = InTurns(
      turns,
      [&] { return BareLoop(model.get(), runner.control_dt(), envs, threads, episode, seconds); },
      [&] {
        runner.Restart();  // as the bare loop: late states of an episode cost more than early ones
        return Repeat(seconds, [&] { return runner.Step(); });
      });
  return {rates[0], rates[1], episode};
}

}  // namespace v2r
