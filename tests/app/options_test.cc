// Every key of the run's own options changes something that a user can see, and Ctrl-C stops every
// command cleanly.
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <map>

#include "app/commands.h"
#include "app/run_directory.h"
#include "app/study.h"
#include "app/train.h"
#include "core/error.h"
#include "core/text.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

class RunOptionsTest : public MiniRun {
 protected:
  // What a run leaves, without times and paths: file names, and the content of what does not hold
  // any.
  static std::string Print(const fs::path& run) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(run)) {
      if (!entry.is_regular_file()) continue;
      const std::string name = entry.path().lexically_relative(run).generic_string();
      const bool event = name.find("tfevents") != std::string::npos;
      const bool film = name.ends_with(".mp4") || name.ends_with(".mkv");
      const bool plain = name == "demos/manifest.json" || name.ends_with("state.safetensors");
      files[event ? "tfevents" : name] = film || plain ? ReadFile(entry.path()) : "";
    }
    std::string print;
    for (const auto& [name, content] : files) {
      print += fmt::format("{} {}\n", name, std::hash<std::string>()(content));
    }
    for (const MetricRow& row : ReadMetrics(run)) {
      print += fmt::format("\n{}:", row.step);
      for (const auto& [name, value] : row.values) {
        if (name.rfind("time/", 0) != 0) print += fmt::format(" {}={}", name, value);
      }
    }
    const auto summary = Split(ReadFile(run / "summary.json"), '\n');
    for (const std::string& line : summary) {
      for (const char* key : {"\"return\"", "\"success\"", "\"episodes\"", "\"random_return\""}) {
        if (line.find(key) != std::string::npos) print += "\n" + line;
      }
    }
    return print;
  }
};

TEST_F(RunOptionsTest, EveryKeyChangesSomething) {
  const std::map<std::string, std::string> others = {{"seed", "2"},
                                                     {"total_timesteps", "400"},
                                                     {"checkpoint_interval", "200"},
                                                     {"tensorboard", "false"},
                                                     {"demos.good", "4"},
                                                     {"demos.near_miss", "2"},
                                                     {"demos.random", "2"},
                                                     {"demos.hold", "0"},
                                                     {"demos.frame_size", "192"},
                                                     {"demos.format", "mkv"},
                                                     {"demos.crf", "30"},
                                                     {"demos.seed", "9"},
                                                     {"eval.episodes", "5"},
                                                     {"eval.interval", "130"},
                                                     {"eval.interval_episodes", "5"},
                                                     {"eval.seed", "77"},
                                                     {"record.enabled", "false"},
                                                     {"record.episodes", "2"},
                                                     {"record.interval", "130"},
                                                     {"record.frame_size", "96"}};
  // Where a run is and what computes it is not in what it leaves: the tests below.
  const std::vector<std::string> elsewhere = {
      "exp_name", "run_dir", "runs_root", "device", "torch_threads", "demos.path", "encoder.path"};
  const std::vector<std::string> common = {"eval.interval=80", "record.interval=80", "demos.hold=2",
                                           "env.max_episode_steps=30", "demos.good=3"};
  Train(Mini("base", common), {});
  const std::string base = Print(root_ / "base");
  Train(Mini("again", common), {});
  ASSERT_EQ(Print(root_ / "again"), base) << "the comparison itself is not steady";
  for (const FieldDoc& field : Describe(TrainOptions())) {
    const std::string& key = field.path;
    const std::string section = key.substr(0, key.find('.'));
    const bool own =
        section == key || section == "demos" || section == "eval" || section == "record";
    if (!own || std::find(elsewhere.begin(), elsewhere.end(), key) != elsewhere.end()) continue;
    ASSERT_TRUE(others.contains(key)) << key << " has no test";
    auto words = common;
    words.push_back(key + "=" + others.at(key));
    Train(Mini(key, words), {});
    EXPECT_TRUE(Print(root_ / key) != base) << key << " changes nothing";
  }
}

TEST_F(RunOptionsTest, NamesDeviceAndThreadsAreObeyed) {
  TrainOptions options = Mini("", {"exp_name=mine", "runs_root=" + (root_ / "here").string(),
                                   "reward=true", "record.enabled=false", "torch_threads=2"});
  options.run_dir.clear();
  const TrainOutcome outcome = Train(options, {});
  EXPECT_EQ(outcome.run.parent_path(), root_ / "here");
  EXPECT_NE(outcome.run.filename().string().find("__mine__1__"), std::string::npos);
  EXPECT_EQ(torch::get_num_threads(), 2);
  EXPECT_EQ(Train(Mini("named", {"reward=true", "record.enabled=false"}), {}).run, root_ / "named");
  EXPECT_EQ(torch::get_num_threads(), 1);
  EXPECT_THROW(Train(Mini("tpu", {"device=tpu"}), {}), UserError);
}

TEST_F(RunOptionsTest, AnotherEncoderIsOneWord) {
  const TrainOutcome first = Train(Mini("first"), {});
  const std::string demos = "demos.path=" + first.demos.string();
  for (const auto& [name, size] :
       std::map<std::string, int>{{"resnet18_quarter", 48}, {"nature", 84}}) {
    const fs::path file = root_ / (name + ".safetensors");
    PretrainCommand({"data.path=" + first.demos.string(), "encoder=" + name,
                     fmt::format("encoder.input_size={}", size), "pretrain.iterations=3",
                     "out=" + file.string(), "torch_threads=1"});
    EXPECT_EQ(Train(Mini(name, {demos, "encoder.path=" + file.string()}), {}).steps, 160) << name;
  }
  const std::string head = "reward.head=nose";
  EXPECT_THROW(Train(Mini("wrong", {demos, "encoder.path=" + first.encoder.string(), head}), {}),
               UserError);
}

TEST_F(RunOptionsTest, PretrainingRefusesAnEncoderFileThatItWouldNotRead) {
  std::string message;
  try {
    PretrainCommand({"data.path=clips", "encoder.path=e.safetensors", "device=cpu"});
  } catch (const UserError& e) {
    message = e.what();
  }
  EXPECT_NE(message.find("encoder=e.safetensors"), std::string::npos) << message;
  EXPECT_NE(message.find("pretrain.init_from"), std::string::npos) << message;
}

TEST_F(RunOptionsTest, ARefusedRowEndsNoStudy) {
  StudyRow good{"reach", "true", "none", "none",
                MiniWords("unused", {"reward=true", "record.enabled=false"})};
  good.overrides.erase(
      std::remove_if(good.overrides.begin(), good.overrides.end(),
                     [](const std::string& word) { return word.rfind("run_dir=", 0) == 0; }),
      good.overrides.end());
  StudyRow bad = good;
  bad.reward = "broken";
  bad.overrides.push_back("agent.clip_coef=-1");
  const auto results = RunStudy({bad, good}, {1}, root_ / "study");
  ASSERT_EQ(results.size(), 3u);  // the refused row, random behaviour, the good row
  EXPECT_NE(results[0].error.find("clip_coef"), std::string::npos) << results[0].error;
  EXPECT_TRUE(results[2].error.empty());
  EXPECT_EQ(results[2].N, 1.0);
  EXPECT_NE(StudyTable(results).find("refused"), std::string::npos);
  EXPECT_NE(ReadFile(root_ / "study" / "summary.json").find("clip_coef"), std::string::npos);
}

TEST_F(RunOptionsTest, CtrlCStopsEveryCommandCleanly) {
  const TrainOutcome run = Train(Mini("run"), {});
  const std::string at = run.run.string();
  const auto out = [&](const char* name) { return (root_ / name).string(); };
  const std::map<std::string, std::function<void()>> commands = {
      {"demos",
       [&] {
         DemosCommand({"env=reach", "out=" + out("films")});
       }},
      {"pretrain",
       [&] {
         PretrainCommand({"data.path=" + run.demos.string(), "out=" + out("p.safetensors")});
       }},
      {"embed",
       [&] {
         EmbedCommand({"data.path=" + run.demos.string(), "encoder.path=" + run.encoder.string(),
                       "out=" + out("e.safetensors")});
       }},
      {"eval", [&] { EvalCommand(at, "last", 4, 1); }},
      {"record", [&] { RecordCommand(at, "last", out("r.mp4"), 1, 1); }},
      {"resume", [&] { TrainCommand({"total_timesteps=400"}, at, false); }},
      {"study", [&] { StudyCommand("quickstart", out("study"), {}); }},
      {"bench", [&] { BenchCommand("step", {}, {"env=reach"}); }}};
  for (const auto& [name, command] : commands) {
    RequestInterrupt(true);
    EXPECT_THROW(command(), Interrupted) << name;
    RequestInterrupt(false);
  }
  for (const char* made :
       {"films/manifest.json", "p.safetensors", "e.safetensors", "r.mp4", "study/summary.json"}) {
    EXPECT_FALSE(fs::exists(root_ / made)) << made;
  }
  EXPECT_EQ(ResumeTraining(run.run, {"total_timesteps=240"}).steps, 240) << "the run goes on";
}

}  // namespace
}  // namespace v2r
