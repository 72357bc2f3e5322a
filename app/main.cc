// v2r: the command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "app/commands.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"

namespace {

// Flags that people's fingers know, as aliases of key=value.
struct Alias {
  const char* flag;
  const char* key;
  const char* doc;
};
constexpr Alias kAliases[] = {
    {"--seed", "seed", "seed of environments, agent and online reward parts"},
    {"--total-timesteps", "total_timesteps", "environment steps"},
    {"--num-envs", "env.num_envs", "simulations stepped together"},
    {"--num-steps", "agent.num_steps", "steps a rollout in each environment"},
    {"--learning-rate", "agent.learning_rate", "Adam's step size"},
    {"--device", "device", "auto, cpu, cuda, cuda:N"},
    {"--exp-name", "exp_name", "name of the experiment"},
    {"--capture-video", "record.enabled", "true or false"},
    {"--track", "tensorboard", "true or false: TensorBoard event files"},
};

constexpr char kFooter[] =
    "Options are words: key=value, +key=value, ~key, key=a,b,c with --multirun; env=NAME, "
    "encoder=NAME|FILE, reward=NAME,\n"
    "pretrain=NAME, agent=NAME and experiment=NAME choose groups. `v2r help COMMAND` lists every "
    "key with its default.\n\n"
    "  v2r train env=reach\n"
    "  v2r train env=push encoder=runs/.../encoder.safetensors reward=ranking_classifier seed=2\n"
    "  v2r train env=reach seed=1,2,3 --multirun\n"
    "  v2r pretrain data=videos/ pretrain=tcn\n";

int Run(int argc, char** argv) {
  using v2r::Words;
  CLI::App app{"Video2Reward: demonstration videos -> learned reward -> PPO in MuJoCo"};
  app.name("v2r");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(V2R_VERSION));

  Words words;
  std::string text, run, checkpoint = "last", out, device = "auto";
  bool multirun = false, allow_software_gl = false, attention = false, reconstruct = false;
  int64_t episodes = 0, seed = 10000;
  std::vector<std::string> alias_values(std::size(kAliases));

  const auto with_words = [&](CLI::App* command) {
    command->add_option("words", words, "key=value ...")->type_name("");
    return command;
  };
  CLI::App* doctor = app.add_subcommand("doctor", "check libraries, GL, devices and codecs");
  doctor->add_option("--device", device, "device to check");
  doctor->add_flag("--allow-software-gl", allow_software_gl,
                   "drawing on the processor of a machine with a GPU is no failure");
  CLI::App* list = app.add_subcommand(
      "list", "list what there is: envs, encoders, pretrain, rewards, agents, configs, studies");
  list->add_option("kind", text, "what to list");
  CLI::App* help =
      app.add_subcommand("help", "every key of a command or part, with default and meaning");
  help->add_option(
          "name", text,
          "a command (train, pretrain, ...), a part (agent, reward, ...) or a name (tcn, v2r/push)")
      ->required();
  CLI::App* demos = with_words(app.add_subcommand("demos", "film a task's scripted expert to MP4"));
  CLI::App* pretrain = with_words(app.add_subcommand("pretrain", "videos -> encoder file"));
  CLI::App* embed = with_words(app.add_subcommand("embed", "videos -> embeddings"));
  embed->add_flag("--attention", attention,
                  "also write pictures of where a transformer looks (attention.enabled=true)");
  embed->add_flag("--reconstruct", reconstruct,
                  "also write what a masked autoencoder paints over removed patches "
                  "(reconstruct.enabled=true)");
  std::string file, format, names;
  CLI::App* import = app.add_subcommand(
      "import", "weights of torchvision, MoCo, DINO, MAE, ... -> encoder file");
  import->add_option("file", file, ".safetensors, .pth, .pt or .bin")->required();
  import->add_option("--format", format, "whose it is; default: told by its names")
      ->type_name("format=");
  CLI::App* export_command = app.add_subcommand(
      "export",
      "encoder file -> weights under the names of torchvision or timm; run -> its policy's weights");
  export_command
      ->add_option("file", file, "encoder file, run directory or one of its checkpoints")
      ->required();
  export_command->add_option("--names", names, "torchvision or timm")->type_name("names=");
  for (CLI::App* command : {import, export_command}) {
    command->add_option("--out", out, "file to write")->type_name("out=");
    with_words(command);
  }
  CLI::App* evaluate = with_words(app.add_subcommand(
      "evaluate",
      "score an encoder on labelled pictures: kNN, linear; untrained and pixels beside"));
  CLI::App* reward = with_words(app.add_subcommand(
      "reward", "how good a reward is on labelled films: encoders side by side, table and page"));
  CLI::App* shapes =
      with_words(app.add_subcommand("shapes", "draw a labelled set of MuJoCo shapes to .npz"));
  CLI::App* train = with_words(
      app.add_subcommand("train", "demonstrations -> encoder -> reward -> agent -> video, report"));
  train->add_option("--resume", run, "continue this run directory from its last checkpoint");
  train->add_flag("--multirun", multirun, "run every combination of key=a,b,c");
  for (size_t i = 0; i < std::size(kAliases); ++i) {
    train->add_option(kAliases[i].flag, alias_values[i], kAliases[i].doc)
        ->type_name(std::string(kAliases[i].key) + "=");
  }
  CLI::App* eval =
      app.add_subcommand("eval", "evaluate a run's policy by the true return and success");
  CLI::App* record = app.add_subcommand("record", "film a run's policy with its reward curves");
  for (CLI::App* command : {eval, record}) {
    command->add_option("run", run, "run directory")->required();
    command->add_option("--checkpoint", checkpoint, "last, best or step_NNNNNNNNN")
        ->capture_default_str();
    command->add_option("--episodes", episodes, "episodes, 0 = as the run's config says");
    command->add_option("--seed", seed, "seed of the episodes")->capture_default_str();
  }
  record->add_option("--out", out, "video to write; default in the run's videos/");
  CLI::App* report = app.add_subcommand("report", "write a run's report.html anew");
  report->add_option("run", run, "run directory")->required();
  CLI::App* config = app.add_subcommand("config", "print a command's config");
  bool resolve = false;
  config->add_flag("--resolve", resolve, "every value with where it came from");
  config
      ->add_option("root", text,
                   "train, pretrain, demos, embed, import, export, evaluate, "
                     "reward or shapes")
      ->required();
  with_words(config);
  CLI::App* bench = app.add_subcommand(
      "bench", "measure the speed of each part: render, encode, step, train, env");
  bench->add_option("what", text,
                    "render, encode, step, train, all of these, or env: every task against bare "
                    "mj_step and EnvPool");
  v2r::BenchEnvOptions bench_env;
  bench->add_option("--tasks", bench_env.tasks, "env: a task, or the beginning of names")
      ->capture_default_str();
  bench
      ->add_option("--peer", bench_env.peer,
                   "env: script that measures EnvPool and Gymnasium and prints JSON")
      ->check(CLI::ExistingFile);
  bench->add_option("--python", bench_env.python, "env: interpreter of that script")
      ->capture_default_str();
  bench->add_option("--rounds", bench_env.rounds, "env: rounds, the best counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  bench->add_option("--seconds", bench_env.seconds, "env: seconds a side in a round")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  with_words(bench);
  CLI::App* study =
      app.add_subcommand("study", "many runs with fixed seeds, one table (configs/study)");
  study->add_option("name", text, "a file, or a name in configs/study")->required();
  study->add_option("--out", out, "folder of the runs; default runs/NAME");
  with_words(study);
  CLI::App* quickstart =
      app.add_subcommand("quickstart", "the main job end to end in some minutes");
  quickstart->add_option("--out", out, "folder of the runs; default runs/quickstart");

  std::string listen, token_file;
  int fd = -1;
  CLI::App* worker =
      app.add_subcommand("worker", "step and draw environments for other processes (env.workers)");
  worker->add_option("--listen", listen, "unix:PATH or tcp://127.0.0.1:PORT");
  worker->add_option("--token-file", token_file,
                     "file with the token clients have to know; default: the environment variable "
                     "V2R_WORKER_TOKEN");
  worker->add_option("--fd", fd, "serve the client at this socket (env.processes)")->group("");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (size_t i = 0; i < std::size(kAliases); ++i) {
    if (!alias_values[i].empty())
      words.push_back(std::string(kAliases[i].key) + "=" + alias_values[i]);
  }
  if (*import || *export_command) {
    for (const auto& [key, value] : {std::pair("out=", out), std::pair("format=", format),
                                     std::pair("names=", names)}) {
      if (!value.empty()) words.push_back(key + value);
    }
  }
  words = v2r::ExpandShorthands(words);
  if (*doctor) return v2r::DoctorCommand(device, allow_software_gl);
  if (*list) return v2r::ListCommand(text);
  if (*help) return v2r::HelpCommand(text);
  if (*demos) return v2r::DemosCommand(words);
  if (*pretrain) return v2r::PretrainCommand(words);
  if (attention) words.push_back("attention.enabled=true");
  if (reconstruct) words.push_back("reconstruct.enabled=true");
  if (*embed) return v2r::EmbedCommand(words);
  if (*import) return v2r::ImportCommand(file, words);
  if (*export_command) return v2r::ExportCommand(file, words);
  if (*evaluate) return v2r::EvaluateCommand(words);
  if (*reward) return v2r::RewardCommand(words);
  if (*shapes) return v2r::ShapesCommand(words);
  if (*train) return v2r::TrainCommand(words, run, multirun);
  if (*eval) return v2r::EvalCommand(run, checkpoint, episodes, seed);
  if (*record) return v2r::RecordCommand(run, checkpoint, out, episodes, seed);
  if (*report) return v2r::ReportCommand(run);
  if (*config) return v2r::ConfigCommand(text, words);
  if (*bench) return v2r::BenchCommand(text, bench_env, words);
  if (*study) return v2r::StudyCommand(text, out, words);
  if (*worker) return v2r::WorkerCommand(listen, fd, token_file);
  return v2r::QuickstartCommand(out);
}

}  // namespace

int main(int argc, char** argv) {
  v2r::InitLog();
  v2r::InstallInterruptHandler();
  v2r::DrawProgressOnStderr();
  try {
    return Run(argc, argv);
  } catch (const v2r::UserError& error) {
    std::cerr << "v2r: " << error.what() << "\n";
    return 2;
  } catch (const v2r::Interrupted&) {
    std::cerr << "v2r: interrupted\n";
    return 130;
  } catch (const std::exception& error) {
    std::cerr << "v2r: internal error: " << error.what() << "\n";
    return 1;
  }
}
