// v2r shapes, v2r pretrain and v2r evaluate on labelled pictures, from end to end.
#include "app/evaluate.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/shapes.h"
#include "core/error.h"
#include "media/clips.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

class EvaluateTest : public MiniRun {
 protected:
  ShapesCommandOptions SmallShapes(const std::string& name) const {
    ShapesCommandOptions options;
    options.out = (root_ / name).string();
    options.count = 60;
    options.test_share = 0.34;
    options.size = 24;
    options.render_threads = 1;
    return options;
  }
  // An encoder of the set `data`, trained for two steps.
  std::string SmallEncoder(const std::string& data) const {
    const std::string path = (root_ / "encoder.safetensors").string();
    PretrainCommand({"data.path=" + data, "pretrain=simclr", "pretrain.iterations=2",
                     "pretrain.batch_size=8", "encoder.width=0.25", "encoder.embedding_dim=8",
                     "encoder.input_size=32", "out=" + path, "device=cpu", "torch_threads=1"});
    return path;
  }
  EvaluateCommandOptions Small(const std::string& data, const std::string& encoder,
                               const std::string& out) const {
    EvaluateCommandOptions options;
    options.data.path = data;
    options.encoder.path = encoder;
    options.out = (root_ / out).string();
    options.device = "cpu";
    options.torch_threads = 1;
    options.strips = 2;
    return options;
  }
};

TEST_F(EvaluateTest, ShapesAreBalancedAndTheSameAgain) {
  const ShapesCommandOptions options = SmallShapes("a.npz");
  WriteShapes(options);
  ShapesCommandOptions again = SmallShapes("b.npz");
  again.render_threads = 2;
  WriteShapes(again);
  EXPECT_EQ(ReadFile(options.out), ReadFile(again.out));
  for (const auto& [split, count] : std::map<std::string, int64_t>{{"train", 40}, {"test", 20}}) {
    DataOptions data;
    data.path = options.out;
    data.split = split;
    data.frame_size = 24;
    const ClipSet set = LoadClips(data);
    ASSERT_EQ(set.classes.size(), 10u);
    EXPECT_EQ(set.classes[9], "dumbbell");
    EXPECT_EQ(static_cast<int64_t>(set.clips.size()), count);
    std::map<int64_t, int64_t> each;
    for (const Clip& clip : set.clips) ++each[clip.target];
    for (const auto& [target, pictures] : each) EXPECT_EQ(pictures, count / 10) << target;
    EXPECT_EQ(each.size(), 10u);
  }
}

TEST_F(EvaluateTest, ViewsOfAThingAreFramesOfAClip) {
  ShapesCommandOptions options = SmallShapes("views.npz");
  options.views = 2;
  WriteShapes(options);
  DataOptions data;
  data.path = options.out;
  data.split = "all";
  data.frame_size = 24;
  const ClipSet set = LoadClips(data);
  ASSERT_EQ(set.clips.size(), 30u);
  for (size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(set.clips[i].frames.size(0), 2);
    EXPECT_EQ(set.clips[i].target, static_cast<int64_t>(i % 10));
  }
}

TEST_F(EvaluateTest, EveryKeyOfShapesChangesSomething) {
  const ShapesCommandOptions base = SmallShapes("base.npz");
  WriteShapes(base);
  std::map<std::string, ShapesCommandOptions> others;
  (others["count"] = base).count = 70;
  (others["views"] = base).views = 2;
  (others["test_share"] = base).test_share = 0.5;
  (others["size"] = base).size = 32;
  (others["seed"] = base).seed = 2;
  for (auto& [key, options] : others) {
    options.out = (root_ / (key + ".npz")).string();
    WriteShapes(options);
    EXPECT_NE(ReadFile(options.out), ReadFile(base.out)) << key;
  }
  // `out` is where it is; render_threads changes who draws, not what (above).
  for (const FieldDoc& row : Describe(ShapesCommandOptions{})) {
    EXPECT_TRUE(others.contains(row.path) || row.path == "out" || row.path == "render_threads")
        << row.path;
  }
  ShapesCommandOptions uneven = base;
  uneven.count = 20;
  uneven.test_share = 0.01;
  EXPECT_THROW(WriteShapes(uneven), UserError);
  ShapesCommandOptions ragged = base;
  ragged.views = 7;
  EXPECT_THROW(WriteShapes(ragged), UserError);
}

TEST_F(EvaluateTest, ScoresStandBesideTheUntrainedNetworkAndPixels) {
  WriteShapes(SmallShapes("shapes.npz"));
  const std::string data = (root_ / "shapes.npz").string();
  const std::string encoder = SmallEncoder(data);
  const auto options = Small(data, encoder, "scores");
  const Evaluation evaluation = EvaluateEncoder(options);
  ASSERT_EQ(evaluation.rows.size(), 3u);
  EXPECT_EQ(evaluation.rows[0].name, "encoder");
  EXPECT_EQ(evaluation.rows[1].name, "untrained");
  EXPECT_EQ(evaluation.rows[2].name, "pixels");
  const std::string table = ScoreTable(evaluation, options.evaluate);
  EXPECT_NE(table.find("kNN k=20 T=0.07"), std::string::npos) << table;
  const auto json = nlohmann::json::parse(ReadFile(root_ / "scores" / "scores.json"));
  EXPECT_EQ(json["train_pictures"], 40);
  EXPECT_EQ(json["test_pictures"], 20);
  EXPECT_EQ(json["classes"].size(), 10u);
  EXPECT_EQ(json["rows"][2]["knn"][1]["k"], 200);
  EXPECT_DOUBLE_EQ(json["rows"][1]["linear"], evaluation.rows[1].linear);
  const std::string svg = ReadFile(root_ / "scores" / "embedding.svg");
  EXPECT_NE(svg.find("dumbbell"), std::string::npos);
  // The same pictures at other places.
  const std::string tsne = ReadFile(root_ / "scores" / "tsne.svg");
  EXPECT_EQ(std::count(tsne.begin(), tsne.end(), '\n'), std::count(svg.begin(), svg.end(), '\n'));
  EXPECT_NE(tsne, svg);
  EXPECT_TRUE(ReadFile(root_ / "scores" / "neighbours.png").starts_with("\x89PNG"));
  // The untrained row is the network that training would start from.
  PretrainCommand({"data.path=" + data, "pretrain=random_init", "encoder.width=0.25",
                   "encoder.embedding_dim=8", "encoder.input_size=32", "encoder.metric=cosine",
                   "device=cpu", "pretrain.monitor_frames=0", "torch_threads=1",
                   "out=" + (root_ / "start.safetensors").string()});
  EXPECT_EQ(LoadEncoder(root_ / "start.safetensors", torch::kCPU, "float32").Fingerprint(),
            LoadEncoder(root_ / "scores" / "untrained.safetensors", torch::kCPU, "float32")
                .Fingerprint());
}

TEST_F(EvaluateTest, AFilesOwnClassifierIsScored) {
  WriteShapes(SmallShapes("shapes.npz"));
  const std::string data = (root_ / "shapes.npz").string();
  const std::string path = (root_ / "classifier.safetensors").string();
  PretrainCommand({"data.path=" + data, "pretrain=supervised", "pretrain.iterations=3",
                   "pretrain.warmup_iterations=0", "pretrain.batch_size=8", "encoder.width=0.25",
                   "encoder.embedding_dim=8", "encoder.input_size=32", "out=" + path, "device=cpu",
                   "torch_threads=1"});
  const auto options = Small(data, path, "own");
  const Evaluation evaluation = EvaluateEncoder(options);
  const LabelledFrames& test = evaluation.data.test;
  const Encoder encoder = LoadEncoder(path, torch::kCPU, "float32");
  const auto logits = encoder.ApplyHead("classifier", EmbedFrames(encoder, test, "test"));
  const double right = logits.argmax(1).eq(test.targets).to(torch::kDouble).mean().item<double>();
  ASSERT_TRUE(evaluation.rows[0].classifier.has_value());
  EXPECT_NEAR(*evaluation.rows[0].classifier, 100 * right, 1e-9);
  EXPECT_FALSE(evaluation.rows[1].classifier.has_value());
  const std::string table = ScoreTable(evaluation, options.evaluate);
  EXPECT_NE(table.find("own classifier"), std::string::npos) << table;
  EXPECT_TRUE(nlohmann::json::parse(ReadFile(root_ / "own" / "scores.json"))["rows"][0].contains(
      "classifier"));
}

TEST_F(EvaluateTest, FineTuningStandsBesideItAndPixelsHaveNone) {
  WriteShapes(SmallShapes("shapes.npz"));
  const std::string data = (root_ / "shapes.npz").string();
  auto options = Small(data, SmallEncoder(data), "tuned");
  options.evaluate.finetune.epochs = 1;
  options.evaluate.finetune.batch_size = 8;
  options.evaluate.finetune.label_fractions = {0.5, 1};
  options.evaluate.finetune.ft_proj_selector = 1;
  const Evaluation evaluation = EvaluateEncoder(options);
  EXPECT_EQ(evaluation.rows[0].finetune.size(), 2u);
  EXPECT_EQ(evaluation.rows[1].finetune.size(), 2u);
  EXPECT_TRUE(evaluation.rows[2].finetune.empty());
  const std::string table = ScoreTable(evaluation, options.evaluate);
  EXPECT_NE(table.find("fine-tuned, 50 % of labels"), std::string::npos) << table;
  const auto json = nlohmann::json::parse(ReadFile(root_ / "tuned" / "scores.json"));
  EXPECT_EQ(json["rows"][0]["finetune"][0]["label_fraction"], 0.5);
  EXPECT_DOUBLE_EQ(json["rows"][0]["finetune"][1]["accuracy"], evaluation.rows[0].finetune[1]);
  EXPECT_FALSE(json["rows"][2].contains("finetune"));
}

TEST_F(EvaluateTest, EveryKeyChangesSomething) {
  WriteShapes(SmallShapes("shapes.npz"));
  const std::string data = (root_ / "shapes.npz").string();
  const std::string encoder = SmallEncoder(data);
  const auto print = [&](const std::string& name,
                         const std::function<void(EvaluateCommandOptions&)>& change) {
    EvaluateCommandOptions options = Small(data, encoder, "out_" + name);
    change(options);
    EvaluateEncoder(options);
    const std::filesystem::path folder = options.out;
    std::string print = ReadFile(folder / "scores.json");
    for (const char* file : {"neighbours.png", "embedding.svg", "tsne.svg"}) {
      if (std::filesystem::exists(folder / file)) print += ReadFile(folder / file);
    }
    return print;
  };
  const std::string base = print("base", [](auto&) {});
  EXPECT_EQ(print("again", [](auto&) {}), base);
  const std::map<std::string, std::function<void(EvaluateCommandOptions&)>> changes = {
      {"data", [](auto& o) { o.data.max_clips = 2; }},
      {"test_data", [](auto& o) { o.test_data.max_clips = 1; }},
      {"baselines", [](auto& o) { o.baselines = false; }},
      {"strips", [](auto& o) { o.strips = 0; }},
      {"tsne", [](auto& o) { o.tsne.perplexity = 2; }},
      {"evaluate",
       [](auto& o) {
         o.evaluate.knn_k = {1, 2};
       }},
      {"encoder",
       [&](auto& o) { o.encoder.path = (root_ / "out_base/untrained.safetensors").string(); }}};
  for (const auto& [key, change] : changes) EXPECT_NE(print(key, change), base) << key;
  for (const FieldDoc& row : Describe(EvaluateCommandOptions{})) {
    const std::string section = row.path.substr(0, row.path.find('.'));
    EXPECT_TRUE(changes.contains(section) || section == "out" || section == "device" ||
                section == "torch_threads")
        << row.path;
  }
  EvaluateCommandOptions wrong = Small(data, encoder, "wrong");
  wrong.device = "tpu";
  EXPECT_THROW(EvaluateEncoder(wrong), UserError);
  wrong = Small(data, "", "wrong");
  EXPECT_THROW(EvaluateEncoder(wrong), UserError);
  wrong = Small("", encoder, "wrong");
  EXPECT_THROW(EvaluateEncoder(wrong), UserError);
}

TEST_F(EvaluateTest, CommandsAndCtrlC) {
  const std::string data = (root_ / "shapes.npz").string();
  EXPECT_EQ(ShapesCommand({"out=" + data, "count=40", "size=16", "test_share=0.5"}), 0);
  const std::string encoder = SmallEncoder(data);
  const Words words = {"data.path=" + data, "encoder.path=" + encoder,
                       "out=" + (root_ / "e").string()};
  EXPECT_EQ(EvaluateCommand(words), 0);
  EXPECT_EQ(ExpandShorthands({"test_data=x"}), Words{"test_data.path=x"});
  std::filesystem::remove_all(root_ / "e");
  RequestInterrupt(true);
  EXPECT_THROW(ShapesCommand({"out=" + (root_ / "s.npz").string()}), Interrupted);
  EXPECT_THROW(EvaluateCommand(words), Interrupted);
  RequestInterrupt(false);
  EXPECT_FALSE(std::filesystem::exists(root_ / "s.npz"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "e" / "scores.json"));
}

}  // namespace
}  // namespace v2r
