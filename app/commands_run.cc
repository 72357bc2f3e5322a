// Commands that make or read runs: demos, pretrain, embed, train, eval, record, report, study,
// quickstart.
#include <iostream>

#include "app/attention.h"
#include "app/commands.h"
#include "app/demos.h"
#include "app/load.h"
#include "app/recorder.h"
#include "app/report.h"
#include "app/run_directory.h"
#include "app/setup.h"
#include "app/study.h"
#include "app/train.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/tensor_file.h"
#include "core/text.h"
#include "pretrain/setup.h"
#include "pretrain/trainer.h"

namespace v2r {
namespace {

void PrintOutcome(const TrainOutcome& outcome) {
  std::cout << Table({{"", "return", "success %"},
                      {"this run", fmt::format("{:.3f}", outcome.eval.return_mean),
                       fmt::format("{:.0f}", 100 * outcome.eval.success_rate)},
                      {"random actions", fmt::format("{:.3f}", outcome.random_return),
                       fmt::format("{:.0f}", 100 * outcome.random_success)}})
            << fmt::format("{} steps in {} ({:.0f} steps/s with evaluation and recording)\n",
                           outcome.steps, HumanSeconds(outcome.seconds), outcome.fps)
            << "run:    " << outcome.run.string() << "\n";
  if (!outcome.encoder.empty()) std::cout << "encoder: " << outcome.encoder.string() << "\n";
  if (!outcome.video.empty()) std::cout << "video:  " << outcome.video.string() << "\n";
  std::cout << "report: " << outcome.report.string() << "\n";
}

int Multirun(const Words& overrides) {
  std::vector<std::vector<std::string>> table = {{"run", "return", "success %", "steps/s"}};
  for (const auto& words : ExpandSweep(overrides)) {
    LogInfo("multirun: {}", Join(words, " "));
    const TrainOutcome outcome = Train(LoadOptions<TrainOptions>("train", words), words);
    table.push_back({Join(words, " "), fmt::format("{:.3f}", outcome.eval.return_mean),
                     fmt::format("{:.0f}", 100 * outcome.eval.success_rate),
                     fmt::format("{:.0f}", outcome.fps)});
  }
  std::cout << Table(table);
  return 0;
}

// A run's parts as they were when the checkpoint was taken.
struct Restored {
  TrainOptions options;
  Assembly assembly;
  std::unique_ptr<VectorEnv> env;
  RewardModel* reward = nullptr;
  std::unique_ptr<Agent> agent;
};

Restored Restore(const std::string& run, const std::string& checkpoint) {
  Restored restored;
  restored.options = LoadRunOptions(run);
  const StateDict state = LoadCheckpoint(run, checkpoint);
  SetTorchThreads(static_cast<int>(restored.options.torch_threads));
  restored.assembly = Assemble(restored.options, run);
  restored.env = MakeTrainingEnv(restored.options, restored.assembly, &restored.reward);
  const VectorEnvSpec& spec = restored.env->Spec();
  Rng rng(0);
  restored.agent = MakeAgent(restored.options.agent, spec.obs_dim, spec.act_dim, rng, torch::kCPU,
                             {.low = {spec.act_low.begin(), spec.act_low.end()},
                              .high = {spec.act_high.begin(), spec.act_high.end()}});
  Runner runner(*restored.env, *restored.agent, {}, {});
  runner.LoadState(state);
  return restored;
}

// Exit code 2 when a row was refused: the table is not whole.
int PrintRefused(const std::vector<StudyResult>& results) {
  int code = 0;
  for (const StudyResult& result : results) {
    if (result.error.empty()) continue;
    code = 2;
    std::cout << fmt::format("refused: {} {} {} seed {}: {}\n", result.row.task, result.row.reward,
                             result.row.method, result.seed, result.error);
  }
  return code;
}

}  // namespace

int DemosCommand(const Words& overrides) {
  const auto options = LoadOptions<DemosCommandOptions>("demos", overrides);
  FilmDemos(options.env, options.demos, options.out);
  std::cout << "demonstrations: " << options.out << "\n";
  return 0;
}

int PretrainCommand(const Words& overrides) {
  auto options = LoadOptions<PretrainCommandOptions>("pretrain", overrides);
  if (options.data.path.empty())
    ThrowUser("data: say which videos to learn from, e.g.  v2r pretrain data=FOLDER");
  if (!options.encoder.path.empty()) {
    ThrowUser(
        "encoder={}: v2r pretrain makes a new encoder and would not read that file. Name a network "
        "(`v2r list encoders`), or start from the weights of an encoder file with "
        "pretrain.init_from=FILE",
        options.encoder.path);
  }
  Rng unused(0);
  const EncoderSpec spec =
      options.pretrain.init_from.empty()
          ? options.encoder.spec
          : MakeStartingNet(options.pretrain, options.encoder.spec, unused).net->spec();
  options.data.frame_size = spec.input_size;
  options.data.resize = spec.resize;
  SetTorchThreads(static_cast<int>(options.torch_threads));
  const torch::Device device = ResolveDevice(options.device);
  const ClipSet clips = LoadClips(options.data);
  LogInfo("{} clips, {} frames", clips.clips.size(), clips.TotalFrames());
  std::filesystem::path out = options.out, run = out.parent_path();
  if (out.empty()) {
    run = MakeRunDirectory(options.runs_root, "pretrain", options.pretrain.method,
                           options.pretrain.seed);
    out = run / "encoder.safetensors";
    WriteRunHeader(run, Dump(options), overrides, MachineFacts());
  }
  if (!run.empty()) MakeDirectories(run);
  const auto metrics = OpenMetrics(run.empty() ? "." : run, false, -1);
  const PretrainResult result =
      Pretrain(options.pretrain, options.encoder.spec, clips, out, device,
               {[&](int64_t step, const Metrics& row) { metrics->Write(step, row); }},
               DataInfo(options.data.path));
  metrics->Flush();
  for (const auto& [name, value] : result.final_metrics)
    std::cout << fmt::format("{:<28} {:.4g}\n", name, value);
  std::cout << "encoder: " << result.encoder_path.string() << "\n";
  return 0;
}

int EmbedCommand(const Words& overrides) {
  auto options = LoadOptions<EmbedCommandOptions>("embed", overrides);
  if (options.encoder.path.empty())
    ThrowUser("encoder: say which, e.g.  v2r embed encoder=FILE data=FOLDER");
  if (options.data.path.empty())
    ThrowUser("data: say which videos to embed, e.g.  v2r embed encoder=FILE data=FOLDER");
  SetTorchThreads(static_cast<int>(options.torch_threads));
  const Encoder encoder =
      LoadEncoder(options.encoder.path, ResolveDevice(options.device), options.dtype);
  options.data.frame_size = encoder.spec().input_size;
  options.data.resize = encoder.spec().resize;
  const ClipSet clips = LoadClips(options.data);
  const auto beside = [&](const char* what) {
    std::filesystem::path folder = options.out;
    return folder.replace_extension() += what;
  };
  const auto pictures = beside("_attention"), sheets = beside("_reconstruction");
  int64_t painted = 0;
  if (options.reconstruct.enabled) {
    auto model = LoadMaskedAutoencoder(options.encoder.path, options.reconstruct.mask_ratio,
                                       encoder.device());
    painted = WriteReconstructions(model, clips, options.reconstruct, sheets, encoder.device());
  }
  int64_t drawn = 0;
  if (options.attention.enabled) {
    const EncoderNet net = LoadEncoderFile(options.encoder.path).net;
    net->to(encoder.device());
    drawn =
        WriteAttention(*RequireVit(net, options.encoder.path), clips, options.attention, pictures);
  }
  TensorDict embeddings;
  Progress progress("embedding", static_cast<int64_t>(clips.clips.size()));
  for (const Clip& clip : clips.clips) {
    PollInterrupt();
    embeddings[clip.name] = encoder.Embed(clip.frames).cpu();
    progress.Update(static_cast<int64_t>(embeddings.size()), clip.name);
  }
  WriteSafetensors(options.out, ToStateDict(embeddings), {{"encoder", encoder.Fingerprint()}});
  std::cout << fmt::format("{} clips embedded into {}\n", embeddings.size(), options.out);
  if (options.attention.enabled) {
    std::cout << fmt::format("attention: {} pictures in {}\n", drawn, pictures.string());
  }
  if (options.reconstruct.enabled) {
    std::cout << fmt::format("reconstruction: {} pictures in {}\n", painted, sheets.string());
  }
  return 0;
}

int TrainCommand(const Words& overrides, const std::string& resume, bool multirun) {
  if (!resume.empty()) {
    PrintOutcome(ResumeTraining(resume, overrides));
    return 0;
  }
  if (multirun) return Multirun(overrides);
  PrintOutcome(Train(LoadOptions<TrainOptions>("train", overrides), overrides));
  return 0;
}

int EvalCommand(const std::string& run, const std::string& checkpoint, int64_t episodes,
                int64_t seed) {
  const Restored restored = Restore(run, checkpoint);
  const int64_t count = episodes > 0 ? episodes : restored.options.eval.episodes;
  const auto env = MakeEvaluationEnv(restored.options, count);
  const EvalResult result =
      Evaluate(*env, restored.agent.get(), count, static_cast<uint64_t>(seed));
  std::cout << Table(
      {{"episodes", "return", "std", "success %", "length"},
       {std::to_string(result.episodes), fmt::format("{:.3f}", result.return_mean),
        fmt::format("{:.3f}", result.return_std), fmt::format("{:.1f}", 100 * result.success_rate),
        fmt::format("{:.1f}", result.length_mean)}});
  return 0;
}

int RecordCommand(const std::string& run, const std::string& checkpoint, const std::string& out,
                  int64_t episodes, int64_t seed) {
  const Restored restored = Restore(run, checkpoint);
  const std::filesystem::path path =
      out.empty() ? std::filesystem::path(run) / "videos" / (checkpoint + ".mp4")
                  : std::filesystem::path(out);
  const int64_t count = episodes > 0 ? episodes : restored.options.record.episodes;
  std::cout << "video: "
            << RecordVideo(restored.options, restored.assembly, restored.reward, *restored.agent,
                           count, static_cast<uint64_t>(seed), path)
                   .string()
            << "\n";
  return 0;
}

int ReportCommand(const std::string& run) {
  if (!std::filesystem::exists(std::filesystem::path(run) / "config.yaml")) {
    ThrowUser("{}: not a run directory (no config.yaml)", run);
  }
  std::cout << "report: " << WriteReport(run).string() << "\n";
  return 0;
}

int StudyCommand(const std::string& name, const std::string& out, const Words& overrides) {
  Study study = LoadStudy(name);
  for (StudyRow& row : study.rows)
    row.overrides.insert(row.overrides.end(), overrides.begin(), overrides.end());
  const std::filesystem::path folder =
      out.empty() ? "runs/" + std::filesystem::path(name).stem().string() : out;
  const auto results = RunStudy(study.rows, study.seeds, folder);
  std::cout << StudyTable(results);
  const int code = PrintRefused(results);
  std::cout << "summary: " << (folder / "summary.json").string() << "\n";
  return code;
}

int QuickstartCommand(const std::string& out) {
  const std::filesystem::path folder = out.empty() ? "runs/quickstart" : out;
  // A second quickstart starts over: the old runs move aside rather than mix with the new ones.
  if (std::filesystem::exists(folder)) {
    std::filesystem::path aside;
    for (int k = 1; aside.empty() || std::filesystem::exists(aside); ++k)
      aside = fmt::format("{}.{}", folder.string(), k);
    std::filesystem::rename(folder, aside);
    LogInfo("moved the last quickstart to {}", aside.string());
  }
  const Study study = LoadStudy("quickstart");
  const auto results = RunStudy(study.rows, study.seeds, folder);
  std::cout << "\n" << StudyTable(results);
  for (const StudyResult& result : results) {
    if (result.row.reward == "random" || result.video.empty()) continue;
    std::cout << fmt::format("{:<20} {:<20} video {}  report {}\n", result.row.task,
                             result.row.reward, result.video, result.report);
  }
  const int code = PrintRefused(results);
  std::cout << "summary: " << (folder / "summary.json").string() << "\n";
  return code;
}

}  // namespace v2r
