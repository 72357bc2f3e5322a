#include "app/train.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "app/probe.h"
#include "app/recorder.h"
#include "app/report.h"
#include "app/run_directory.h"
#include "app/setup.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/text.h"

namespace v2r {
namespace {

std::unique_ptr<Agent> NewAgent(const TrainOptions& options, const VectorEnvSpec& spec,
                                uint64_t seed) {
  Rng rng = Rng(seed).Fork("agent");
  return MakeAgent(options.agent, spec.obs_dim, spec.act_dim, rng, torch::kCPU,
                   {.low = {spec.act_low.begin(), spec.act_low.end()},
                    .high = {spec.act_high.begin(), spec.act_high.end()}});
}

RunnerOptions MakeRunnerOptions(const TrainOptions& options) {
  RunnerOptions runner;
  runner.total_timesteps = options.total_timesteps;
  runner.num_steps = options.agent.ppo.num_steps;
  runner.seed = static_cast<uint64_t>(options.seed);
  return runner;
}

// Plays two rollouts with throw-away objects and says how long the whole run will take.
void EstimateTime(const TrainOptions& options, const Assembly& assembly) {
  auto env = MakeTrainingEnv(options, assembly, nullptr);
  auto agent = NewAgent(options, env->Spec(), 0);
  RunnerOptions runner_options = MakeRunnerOptions(options);
  const int64_t T =
      runner_options.num_steps > 0 ? runner_options.num_steps : env->Spec().max_episode_steps;
  const int64_t rollout = T * env->Spec().num_envs;
  if (options.total_timesteps < 10 * rollout) return;
  runner_options.total_timesteps = 2 * rollout;
  Runner runner(*env, *agent, runner_options, {});
  Stopwatch watch;
  runner.Run();
  const double rate = static_cast<double>(runner.step()) / watch.Seconds();
  LogInfo("about {} for {} steps ({:.0f} steps/s measured on two rollouts)",
          HumanSeconds(static_cast<double>(options.total_timesteps) / rate),
          options.total_timesteps, rate);
}

// Training with everything around it: metrics, checkpoints, evaluations, videos.
class Training {
 public:
  Training(const TrainOptions& options, const std::filesystem::path& run, const Assembly& assembly,
           int64_t resume_step)
      : options_(options),
        run_(run),
        assembly_(assembly),
        env_(MakeTrainingEnv(options, assembly, &reward_)),
        eval_env_(MakeEvaluationEnv(
            options, std::max(options.eval.episodes, options.eval.interval_episodes))),
        agent_(NewAgent(options, env_->Spec(), static_cast<uint64_t>(options.seed))),
        runner_(*env_, *agent_, MakeRunnerOptions(options),
                {[this](int64_t step, const Metrics& metrics) { OnIteration(step, metrics); }, {}}),
        metrics_(OpenMetrics(run, options.tensorboard, resume_step)),
        progress_("training", options.total_timesteps) {
    if (resume_step >= 0) {
      runner_.LoadState(LoadCheckpoint(run, "last"));
      best_ = BestSoFar();
    }
    next_checkpoint_ = Next(runner_.step(), CheckpointInterval());
    next_eval_ = Next(runner_.step(), EvalInterval());
    next_video_ = Next(runner_.step(), VideoInterval());
  }

  void Run() {
    // Whatever happens, there is something to continue from.
    if (!std::filesystem::exists(run_ / "checkpoints" / "last"))
      SaveCheckpoint(run_, "last", runner_);
    try {
      runner_.Run();
    } catch (const UserError& error) {
      metrics_->Flush();
      ThrowUser("{}\nThe checkpoint `last` is whole: v2r train --resume {}", error.what(),
                run_.string());
    } catch (const Interrupted&) {
      SaveCheckpoint(run_, "last", runner_);
      metrics_->Flush();
      LogWarn("interrupted at step {}: continue with  v2r train --resume {}", runner_.step(),
              run_.string());
      throw;
    }
    SaveCheckpoint(run_, "last", runner_);
    metrics_->Flush();
  }

  TrainOutcome Finish(const Stopwatch& watch) {
    TrainOutcome outcome;
    outcome.run = run_;
    outcome.demos = assembly_.demos_folder;
    outcome.encoder = assembly_.encoder_path;
    outcome.steps = runner_.step();
    const auto seed = static_cast<uint64_t>(options_.eval.seed);
    outcome.eval = Evaluate(*eval_env_, agent_.get(), options_.eval.episodes, seed);
    const EvalResult random = Evaluate(*eval_env_, nullptr, options_.eval.episodes, seed);
    outcome.random_return = random.return_mean;
    outcome.random_success = random.success_rate;
    if (options_.record.enabled) outcome.video = Record("final.mp4");
    outcome.seconds = watch.Seconds();
    outcome.fps = static_cast<double>(runner_.step() - first_step_) / outcome.seconds;
    return outcome;
  }

  const Runner& runner() const { return runner_; }
  std::string agent() const { return agent_->Describe(); }

 private:
  int64_t Tenth() const { return std::max<int64_t>(1, options_.total_timesteps / 10); }
  int64_t CheckpointInterval() const {
    return options_.checkpoint_interval > 0 ? options_.checkpoint_interval : Tenth();
  }
  int64_t EvalInterval() const {
    return options_.eval.interval > 0 ? options_.eval.interval : Tenth();
  }
  int64_t VideoInterval() const {
    return options_.record.interval > 0 ? options_.record.interval
                                        : std::max<int64_t>(1, options_.total_timesteps / 2);
  }
  static int64_t Next(int64_t step, int64_t interval) { return (step / interval + 1) * interval; }

  std::filesystem::path Record(const std::string& name) {
    return RecordVideo(options_, assembly_, reward_, *agent_, options_.record.episodes,
                       static_cast<uint64_t>(options_.eval.seed), run_ / "videos" / name);
  }

  double BestSoFar() const {
    double best = -std::numeric_limits<double>::infinity();
    for (const MetricRow& row : ReadMetrics(run_)) {
      const auto found = row.values.find("checkpoint/best_ep_rew_mean");
      if (found != row.values.end()) best = std::max(best, found->second);
    }
    return best;
  }

  void OnIteration(int64_t step, const Metrics& iteration) {
    Metrics metrics = iteration;
    if (step >= next_eval_ && step < options_.total_timesteps) {
      next_eval_ = Next(step, EvalInterval());
      const EvalResult result = Evaluate(*eval_env_, agent_.get(), options_.eval.interval_episodes,
                                         static_cast<uint64_t>(options_.eval.seed));
      metrics["eval/mean_reward"] = result.return_mean;
      metrics["eval/success_rate"] = result.success_rate;
    }
    if (options_.record.enabled && step >= next_video_ && step < options_.total_timesteps) {
      next_video_ = Next(step, VideoInterval());
      Record(fmt::format("step_{:09d}.mp4", step));
    }
    if (step >= next_checkpoint_) {
      next_checkpoint_ = Next(step, CheckpointInterval());
      // `best` is chosen by the learned reward alone: the true reward decides nothing.
      const auto learned = iteration.find("rollout/ep_rew_mean");
      const bool better = learned != iteration.end() && learned->second > best_;
      if (better) {
        best_ = learned->second;
        metrics["checkpoint/best_ep_rew_mean"] = best_;
      }
      SaveCheckpoint(run_, fmt::format("step_{:09d}", step), runner_);
      SaveCheckpoint(run_, "last", runner_);
      if (better) SaveCheckpoint(run_, "best", runner_);
      metrics_->Flush();
    }
    metrics["time/fps"] = static_cast<double>(step - first_step_) / watch_.Seconds();
    metrics_->Write(step, metrics);
    const auto value = [&](const char* name) {
      const auto found = metrics.find(name);
      return found == metrics.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
    };
    progress_.Update(
        step, fmt::format("reward {:.2f}  true return {:.2f}  success {:.0f} %  {:.0f} steps/s",
                          value("rollout/ep_rew_mean"), value("rollout/ep_true_rew_mean"),
                          100 * value("rollout/success_rate"), metrics["time/fps"]));
  }

  const TrainOptions& options_;
  std::filesystem::path run_;
  const Assembly& assembly_;
  RewardModel* reward_ = nullptr;  // inside env_
  std::unique_ptr<VectorEnv> env_;
  std::unique_ptr<VectorEnv> eval_env_;
  std::unique_ptr<Agent> agent_;
  Runner runner_;
  std::unique_ptr<MetricSink> metrics_;
  Progress progress_;
  Stopwatch watch_;
  int64_t next_checkpoint_ = 0, next_eval_ = 0, next_video_ = 0;
  double best_ = -std::numeric_limits<double>::infinity();

 public:
  void MarkStart() {
    first_step_ = runner_.step();
    watch_.Restart();
  }

 private:
  int64_t first_step_ = 0;
};

void WriteSummary(const TrainOptions& options, const TrainOutcome& outcome) {
  nlohmann::ordered_json json = {
      {"task", options.env.id},
      {"reward", options.reward.name},
      {"encoder", outcome.encoder.string()},
      {"agent", outcome.agent},
      {"seed", options.seed},
      {"steps", outcome.steps},
      {"return", outcome.eval.return_mean},
      {"return_std", outcome.eval.return_std},
      {"success", outcome.eval.success_rate},
      {"random_return", outcome.random_return},
      {"random_success", outcome.random_success},
      {"episodes", outcome.eval.episodes},
      {"seconds", outcome.seconds},
      {"fps", outcome.fps},
      {"video",
       outcome.video.empty() ? "" : outcome.video.lexically_relative(outcome.run).string()},
  };
  WriteFileAtomic(outcome.run / "summary.json", json.dump(2) + "\n");
}

TrainOutcome RunTraining(const TrainOptions& options, const std::filesystem::path& run,
                         int64_t resume_step) {
  SetTorchThreads(static_cast<int>(options.torch_threads));
  AddLogFile(run / "log.txt");
  const Assembly assembly = Assemble(options, run);
  if (resume_step < 0) {
    if (RewardNeedsFrames(options.reward)) {
      LogInfo(
          "reward quality on probe states (true distances are reported, never learned from):\n{}",
          ReportQuality(options, assembly, run));
    }
    EstimateTime(options, assembly);
  }
  TrainOutcome outcome;
  {
    Training training(options, run, assembly, resume_step);
    LogInfo("{}", training.agent());
    training.MarkStart();
    const Stopwatch watch;
    training.Run();
    outcome = training.Finish(watch);
    outcome.agent = training.agent();
  }
  WriteSummary(options, outcome);
  outcome.report = WriteReport(run);
  RemoveLogFiles();
  return outcome;
}

}  // namespace

TrainOutcome Train(const TrainOptions& given, const std::vector<std::string>& overrides) {
  TrainOptions options = given;
  std::filesystem::path run = options.run_dir;
  if (run.empty()) {
    run = MakeRunDirectory(options.runs_root, options.env.id, options.exp_name, options.seed);
    options.run_dir = run.string();
  } else {
    if (std::filesystem::exists(run / "config.yaml")) {
      ThrowUser("run_dir={}: holds a run already; continue it with  v2r train --resume {}",
                run.string(), run.string());
    }
    MakeDirectories(run);
  }
  WriteRunHeader(run, Dump(options), overrides, MachineFacts());
  return RunTraining(options, run, -1);
}

TrainOutcome ResumeTraining(const std::filesystem::path& run,
                            const std::vector<std::string>& overrides) {
  TrainOptions options = LoadRunOptions(run);
  options.run_dir = run.string();
  for (const std::string& word : overrides) {
    const Override change = ParseOverride(word);
    if (change.key != "total_timesteps" && change.key != "device") {
      ThrowUser(
          "--resume: '{}' cannot change when a run continues (total_timesteps and device can)",
          change.key);
    }
    ConfigNode node = Dump(options);
    node.SetPath(change.key, ConfigNode::Scalar(change.value, {"command line", 0, 0}));
    Bind(node, options);
  }
  const SafetensorsFile file = ReadSafetensors(run / "checkpoints" / "last" / "state.safetensors");
  const auto step = file.metadata.find("step");
  if (step == file.metadata.end())
    ThrowUser("{}: checkpoint 'last' does not say its step", run.string());
  return RunTraining(options, run, std::stoll(step->second));
}

}  // namespace v2r
