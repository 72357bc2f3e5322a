// Commands that tell: list, help, config, doctor.
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <thread>

#include "app/commands.h"
#include "app/evaluate.h"
#include "app/options.h"
#include "app/run_directory.h"
#include "app/reward_report.h"
#include "app/shapes.h"
#include "app/weights_options.h"
#include "core/config.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "envs/gl_report.h"
#include "media/video.h"
#include "pretrain/trainer.h"

namespace v2r {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::vector<std::string> YamlNames(const std::string& folder) {
  std::vector<std::string> names;
  for (const std::filesystem::path& root : ConfigRoots()) {
    const auto path = root / folder;
    if (!std::filesystem::is_directory(path)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void PrintNames(const std::string& title, const std::vector<std::string>& names,
                const std::function<std::string(const std::string&)>& doc,
                const std::string& group) {
  std::cout << title << "\n";
  for (const std::string& name : names) std::cout << fmt::format("  {:<22} {}\n", name, doc(name));
  if (!group.empty())
    std::cout << fmt::format("  configs ({}=NAME): {}\n", group, Join(YamlNames(group), ", "));
  std::cout << "\n";
}

const std::map<std::string, std::function<void()>>& Lists() {
  static const std::map<std::string, std::function<void()>> lists = {
      {"envs", [] { PrintNames("environments", EnvNames(), EnvDoc, "env"); }},
      {"encoders",
       [] {
         PrintNames(
             "encoder networks", EncoderArchNames(), [](const std::string&) { return ""; },
             "encoder");
       }},
      {"pretrain",
       [] {
         PrintNames("pretraining methods", PretrainMethodNames(), PretrainMethodDoc, "pretrain");
       }},
      {"rewards", [] { PrintNames("rewards", RewardNames(), RewardDoc, "reward"); }},
      {"agents", [] { PrintNames("agents", AgentNames(), AgentDoc, "agent"); }},
      {"experiments",
       [] {
         std::cout << "experiments (experiment=NAME): " << Join(YamlNames("experiment"), ", ")
                   << "\n";
       }},
      {"studies",
       [] { std::cout << "studies (v2r study NAME): " << Join(YamlNames("study"), ", ") << "\n"; }},
  };
  return lists;
}

void PrintFields(const std::vector<FieldDoc>& fields, const std::string& prefix) {
  Rows rows = {{"key", "default", "type", "meaning"}};
  for (const FieldDoc& field : fields) {
    if (!prefix.empty() && field.path != prefix && field.path.rfind(prefix + ".", 0) != 0) continue;
    rows.push_back({field.path, field.value, field.type,
                    field.doc + (field.constraint.empty() ? "" : " [" + field.constraint + "]")});
  }
  size_t key = 0, value = 0, type = 0;
  for (const auto& row : rows) {
    key = std::max(key, row[0].size());
    value = std::max(value, std::min<size_t>(row[1].size(), 28));
    type = std::max(type, row[2].size());
  }
  for (const auto& row : rows) {
    std::cout << fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", row[0], key, row[1], value, row[2],
                             type, row[3]);
  }
}

const std::map<std::string, std::function<std::vector<FieldDoc>()>>& CommandFields() {
  static const std::map<std::string, std::function<std::vector<FieldDoc>()>> fields = {
      {"train", [] { return Describe<TrainOptions>(); }},
      {"demos", [] { return Describe<DemosCommandOptions>(); }},
      {"pretrain", [] { return Describe<PretrainCommandOptions>(); }},
      {"embed", [] { return Describe<EmbedCommandOptions>(); }},
      {"import", [] { return Describe<ImportCommandOptions>(); }},
      {"export", [] { return Describe<ExportCommandOptions>(); }},
      {"evaluate", [] { return Describe<EvaluateCommandOptions>(); }},
      {"shapes", [] { return Describe<ShapesCommandOptions>(); }},
      {"reward", [] { return Describe<RewardCommandOptions>(); }},
  };
  return fields;
}

// The doc line of a registered thing of that name, or "".
std::string DocOf(const std::string& name) {
  const auto has = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has(EnvNames())) return "environment: " + EnvDoc(name);
  if (has(PretrainMethodNames())) return "pretraining method: " + PretrainMethodDoc(name);
  if (has(RewardNames())) return "reward: " + RewardDoc(name);
  if (has(AgentNames())) return "agent: " + AgentDoc(name);
  return "";
}

void PrintOrigins(const ConfigNode& node, const ConfigNode& given, const std::string& path) {
  for (const auto& [key, value] : node.entries()) {
    const std::string full = path.empty() ? key : path + "." + key;
    if (value.is_map()) {
      PrintOrigins(value, given, full);
      continue;
    }
    const ConfigNode* source = given.FindPath(full);
    std::string text = value.ToYaml();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    std::cout << fmt::format("{:<36} {:<24} # {}\n", full, text,
                             source == nullptr ? "default" : source->origin().ToString());
  }
}

template <typename Options>
void PrintResolved(const ConfigNode& given) {
  Options options;
  Bind(given, options);
  PrintOrigins(Dump(options), given, "");
}

// One line of the doctor: what, verdict, detail.
class Checks {
 public:
  void Run(const std::string& what, const std::function<std::string()>& check) {
    try {
      Print(what, "ok", check());
    } catch (const std::exception& error) {
      failed_ = true;
      Print(what, "FAIL", error.what());
    }
  }
  bool failed() const { return failed_; }

 private:
  static void Print(const std::string& what, const std::string& verdict,
                    const std::string& detail) {
    std::cout << fmt::format("{:<14} {:<5} {}\n", what, verdict, detail);
  }
  bool failed_ = false;
};

std::string CheckVideo() {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("v2r-doctor-{}.mp4", getpid());
  std::string codec;
  {
    VideoWriter writer(path, 25, 64, 64);
    for (int i = 0; i < 5; ++i) {
      Image frame(64, 64);
      std::fill(frame.pixels.begin(), frame.pixels.end(), static_cast<uint8_t>(40 * i));
      writer.Write(frame.view());
    }
    writer.Close();
    codec = writer.codec();
  }
  VideoReader reader(path);
  Image frame;
  int count = 0;
  while (reader.Next(frame)) ++count;
  std::filesystem::remove(path);
  if (count != 5) ThrowUser("wrote 5 frames with {}, read {}", codec, count);
  return "writes and reads MP4 with " + codec;
}

// For the third column.
std::string Indented(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out.append(21, ' ');
  }
  return out;
}

}  // namespace

std::vector<std::filesystem::path> ConfigRoots() {
  std::vector<std::filesystem::path> roots;
  const auto home = HomeDirectory() / "configs";
  if (std::filesystem::is_directory("configs") && !std::filesystem::equivalent("configs", home))
    roots.emplace_back("configs");
  roots.push_back(home);
  return roots;
}

Words ExpandShorthands(const Words& overrides) {
  Words words;
  for (const std::string& word : overrides) {
    if (word.rfind("data=", 0) == 0 || word.rfind("test_data=", 0) == 0 ||
        word.rfind("demos=", 0) == 0) {
      const size_t equals = word.find('=');
      words.push_back(word.substr(0, equals) + ".path=" + word.substr(equals + 1));
    } else {
      words.push_back(word);
    }
  }
  return words;
}

int ListCommand(const std::string& kind) {
  if (kind.empty()) {
    for (const auto& [name, print] : Lists()) print();
    return 0;
  }
  const auto found = Lists().find(kind);
  if (found == Lists().end()) {
    std::vector<std::string> names;
    for (const auto& [name, print] : Lists()) names.push_back(name);
    ThrowUser("list: unknown kind '{}'{} (known: {})", kind, DidYouMean(kind, names),
              Join(names, ", "));
  }
  found->second();
  return 0;
}

int HelpCommand(const std::string& name) {
  const auto command = CommandFields().find(name);
  if (command != CommandFields().end()) {
    PrintFields(command->second(), "");
    return 0;
  }
  const auto fields = Describe<TrainOptions>();
  const auto data = Describe<PretrainCommandOptions>();
  std::vector<std::string> known = {"train",  "demos",  "pretrain", "embed",
                                    "import", "export", "evaluate", "shapes"};
  for (const auto& list : {fields, data}) {
    for (const FieldDoc& field : list) {
      for (size_t dot = field.path.find('.');; dot = field.path.find('.', dot + 1)) {
        known.push_back(field.path.substr(0, dot));
        if (dot == std::string::npos) break;
      }
    }
  }
  const bool part = std::find(known.begin(), known.end(), name) != known.end();
  if (part) {
    PrintFields(name.rfind("data", 0) == 0 ? data : fields, name);
    return 0;
  }
  // `env.mjcf` is `mjcf`.
  const std::string id = name.starts_with("env.") ? name.substr(4) : name;
  const std::string doc = DocOf(id);
  if (doc.empty()) ThrowUser("help: nothing is called '{}'{}", name, DidYouMean(name, known));
  std::cout << doc << "\n";
  if (doc.rfind("environment: ", 0) == 0 && !EnvTaskFields(id).empty()) {
    std::cout << "\n";
    PrintFields(EnvTaskFields(id), "");
  }
  return 0;
}

int ConfigCommand(const std::string& root, const Words& overrides) {
  const ConfigNode given = ComposeConfig(ConfigRoots(), root, overrides);
  if (root == "train") {
    PrintResolved<TrainOptions>(given);
  } else if (root == "pretrain") {
    PrintResolved<PretrainCommandOptions>(given);
  } else if (root == "demos") {
    PrintResolved<DemosCommandOptions>(given);
  } else if (root == "embed") {
    PrintResolved<EmbedCommandOptions>(given);
  } else if (root == "import") {
    PrintResolved<ImportCommandOptions>(given);
  } else if (root == "export") {
    PrintResolved<ExportCommandOptions>(given);
  } else if (root == "evaluate") {
    PrintResolved<EvaluateCommandOptions>(given);
  } else if (root == "shapes") {
    PrintResolved<ShapesCommandOptions>(given);
  } else if (root == "reward") {
    PrintResolved<RewardCommandOptions>(given);
  } else {
    ThrowUser(
        "config: unknown command '{}' (known: train, pretrain, demos, embed, import, export, "
        "evaluate, reward, shapes)",
        root);
  }
  return 0;
}

int DoctorCommand(const std::string& device, bool allow_software_gl) {
  for (const auto& [name, value] : MachineFacts())
    std::cout << fmt::format("{:<14} {}\n", name, value);
  std::cout << "\n";
  Checks checks;
  checks.Run("configs", [] { return HomeDirectory().string(); });
  checks.Run("device", [&] { return DescribeDevice(ResolveDevice(device)); });
  checks.Run("torch", [&] {
    const auto x = torch::ones({64, 64}, torch::TensorOptions(ResolveDevice(device)));
    const double sum = x.mm(x).sum().item<double>();
    if (sum != 64.0 * 64 * 64) ThrowUser("a matrix product came out as {}", sum);
    return std::string("computes");
  });
  checks.Run("video", CheckVideo);
  checks.Run("rendering",
             [&] { return DrawnBy(GlContext().driver(), GpuMaker(), allow_software_gl); });
  checks.Run("speed", [] {
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    return Indented(GlSpeedTable(MeasureGl(ContextsToTry(GlContext().driver(), cores))));
  });
  return checks.failed() ? 2 : 0;
}

}  // namespace v2r
