#include "app/evaluate.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/evaluate_pictures.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include "learn/losses.h"
#include "media/manifest.h"
#include "pretrain/finetune.h"
#include "pretrain/trainer.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// What training starts from: the network of `spec` as pretrain=random_init writes it.
fs::path WriteUntrained(const EncoderSpec& spec, const ClipSet& clips, int64_t seed,
                        const fs::path& folder, const torch::Device& device) {
  PretrainOptions options;
  options.method = "simclr";  // any that takes single pictures: none of it is left in the file
  options.batch_size = 2;
  options.iterations = 0;
  options.seed = seed;
  options.data_dependent_init = spec.embedding_dim > 0;
  options.monitor_frames = 0;
  options.labels = ClipLabels();
  std::erase_if(options.labels, [&](const std::string& l) { return clips.WithLabel(l).empty(); });
  return Pretrain(options, spec, clips, folder / "untrained.safetensors", device).encoder_path;
}

EncoderSpec PixelsLike(const EncoderSpec& spec) {
  EncoderSpec pixels;
  pixels.arch = "pixels";
  pixels.embedding_dim = 0;
  pixels.input_size = spec.input_size;
  pixels.resize = spec.resize;
  pixels.frame_stack = spec.frame_stack;
  pixels.mean = spec.mean;
  pixels.std = spec.std;
  return pixels;
}

// Of the head `classifier`; nothing where there is none or it tells other classes.
std::optional<double> ClassifierAccuracy(const Encoder& encoder, const torch::Tensor& z_test,
                                         const LabelledData& data) {
  if (!encoder.HasHead("classifier")) return std::nullopt;
  const auto names = encoder.info().find("classes");
  const std::string classes = Join(data.classes, ", ");
  const auto logits = encoder.ApplyHead("classifier", z_test.to(encoder.device())).cpu();
  const bool same_names = names == encoder.info().end() || names->second == classes;
  if (!same_names || logits.size(1) != static_cast<int64_t>(data.classes.size())) {
    LogWarn(
        "the classifier of the encoder file tells {}, the data {}: it is not scored",
        names == encoder.info().end() ? fmt::format("{} classes", logits.size(1)) : names->second,
        classes);
    return std::nullopt;
  }
  return Accuracy(logits, data.test.targets);
}

void WriteScores(const Evaluation& evaluation, const EvaluateCommandOptions& options,
                 const std::string& fingerprint) {
  nlohmann::json json;
  json["encoder"] = fingerprint;
  json["classes"] = evaluation.data.classes;
  json["classes_are_clips"] = evaluation.data.pseudo;
  json["train_pictures"] = evaluation.data.train.size();
  json["test_pictures"] = evaluation.data.test.size();
  json["linear_recipe"] = options.evaluate.linear.recipe;
  json["seed"] = options.evaluate.seed;
  json["rows"] = nlohmann::json::array();
  for (const Scores& row : evaluation.rows) {
    nlohmann::json entry = {{"name", row.name},
                            {"linear", row.linear},
                            {"linear_train", row.linear_train},
                            {"effective_dims", row.effective_dims},
                            {"normalized_std", row.normalized_std}};
    for (size_t i = 0; i < row.knn.size(); ++i) {
      entry["knn"].push_back({{"k", options.evaluate.knn_k[i]},
                              {"temperature", options.evaluate.knn_temperature[i]},
                              {"accuracy", row.knn[i]}});
    }
    if (row.classifier) entry["classifier"] = *row.classifier;
    for (size_t i = 0; i < row.finetune.size(); ++i) {
      entry["finetune"].push_back({{"label_fraction", options.evaluate.finetune.label_fractions[i]},
                                   {"accuracy", row.finetune[i]}});
    }
    json["rows"].push_back(entry);
  }
  WriteFileAtomic(fs::path(options.out) / "scores.json", json.dump(2) + "\n");
}

// Two views of the test pictures' embeddings: the plane in which they spread most, and who is whose
// neighbour by the encoder's own distance.
void WriteScatters(const EvaluateCommandOptions& options, const LabelledData& data,
                   const torch::Tensor& test, const std::string& metric) {
  constexpr int64_t kFewest = 4;  // points that t-SNE makes sense of
  const fs::path folder = options.out;
  const torch::Tensor rows = ScatterRows(test), plane = PrincipalPlane(rows);
  WriteScatter(folder / "embedding.svg", data, plane);
  if (options.tsne.iterations == 0 || rows.size(0) < kFewest) return;
  const torch::Tensor points = metric == "cosine" ? L2Normalize(rows) : rows;
  WriteScatter(folder / "tsne.svg", data, Tsne(points, plane, options.tsne));
}

}  // namespace

Evaluation EvaluateEncoder(const EvaluateCommandOptions& options) {
  if (options.encoder.path.empty()) {
    ThrowUser("encoder: say which, e.g.  v2r evaluate encoder=FILE data=PICTURES");
  }
  if (options.data.path.empty()) {
    ThrowUser("data: say which labelled pictures, e.g.  v2r evaluate encoder=FILE data=PICTURES");
  }
  SetTorchThreads(static_cast<int>(options.torch_threads));
  const torch::Device device = ResolveDevice(options.device);
  const Encoder encoder = LoadEncoder(options.encoder.path, device, "float32");
  const auto load = [&](DataOptions data) {
    data.frame_size = encoder.spec().input_size;
    data.resize = encoder.spec().resize;
    return LoadClips(data);
  };
  Evaluation evaluation;
  const ClipSet train = load(options.data);
  ClipSet test;
  if (!options.test_data.path.empty() || !train.classes.empty()) {
    DataOptions data = options.test_data;
    if (data.path.empty()) {
      data.path = options.data.path;
      data.format = options.data.format;
    }
    test = load(data);
  }
  evaluation.data = MakeLabelledData(train, test);
  const LabelledData& data = evaluation.data;
  LogInfo("{} classes, {} training and {} test pictures", data.classes.size(), data.train.size(),
          data.test.size());
  MakeDirectories(options.out);

  torch::Tensor z_train, z_test;
  const auto score = [&](const std::string& name, const Encoder& one) {
    z_train = EmbedFrames(one, data.train, name + ", training pictures");
    z_test = EmbedFrames(one, data.test, name + ", test pictures");
    evaluation.rows.push_back(
        ScoreEmbedding(name, z_train, data.train.targets, z_test, data.test.targets,
                       static_cast<int64_t>(data.classes.size()), options.evaluate));
  };
  const auto finetune = [&](const fs::path& file, const EvaluateOptions& o) {
    if (o.finetune.epochs == 0 || encoder.spec().arch == "pixels") return;
    evaluation.rows.back().finetune = FinetuneAccuracies(file, data, o.finetune, o.seed, device);
  };
  score("encoder", encoder);
  evaluation.rows[0].classifier = ClassifierAccuracy(encoder, z_test, data);
  finetune(options.encoder.path, options.evaluate);
  if (options.strips > 0) {
    WriteNeighbours(fs::path(options.out) / "neighbours.png", data, z_train, z_test,
                    options.strips);
    WriteScatters(options, data, z_test, encoder.spec().metric);
  }
  if (options.baselines) {
    if (encoder.spec().arch != "pixels") {
      const fs::path untrained =
          WriteUntrained(encoder.spec(), train, options.evaluate.seed, options.out, device);
      score("untrained", LoadEncoder(untrained, device, "float32"));
      EvaluateOptions scratch = options.evaluate;
      scratch.finetune.ft_proj_selector = 0;  // it has no projection head
      finetune(untrained, scratch);
    }
    Rng unused(0);
    score("pixels",
          MakeEncoder(MakeEncoderNet(PixelsLike(encoder.spec()), unused), {}, device, "float32"));
  }
  WriteScores(evaluation, options, encoder.Fingerprint());
  return evaluation;
}

std::string ScoreTable(const Evaluation& evaluation, const EvaluateOptions& options) {
  std::vector<std::vector<std::string>> table = {{""}};
  for (size_t i = 0; i < options.knn_k.size(); ++i) {
    table[0].push_back(fmt::format("kNN k={} T={}", options.knn_k[i], options.knn_temperature[i]));
  }
  table[0].push_back("linear (" + options.linear.recipe + ")");
  const auto& finetune = options.finetune;
  table[0].push_back("linear, training");
  const auto& rows = evaluation.rows;
  const bool classifier =
      std::any_of(rows.begin(), rows.end(), [](const Scores& row) { return row.classifier; });
  if (classifier) table[0].push_back("own classifier");
  if (finetune.epochs > 0) {
    for (const double fraction : finetune.label_fractions) {
      table[0].push_back(fmt::format("fine-tuned, {:g} % of labels", 100 * fraction));
    }
  }
  table[0].insert(table[0].end(), {"effective dims", "spread"});
  for (const Scores& row : evaluation.rows) {
    std::vector<std::string> cells = {row.name};
    for (const double accuracy : row.knn) cells.push_back(fmt::format("{:.1f} %", accuracy));
    cells.push_back(fmt::format("{:.1f} %", row.linear));
    cells.push_back(fmt::format("{:.1f} %", row.linear_train));
    if (row.classifier) cells.push_back(fmt::format("{:.1f} %", *row.classifier));
    if (classifier && !row.classifier) cells.emplace_back("-");
    for (const double accuracy : row.finetune) cells.push_back(fmt::format("{:.1f} %", accuracy));
    while (cells.size() + 2 < table[0].size()) cells.emplace_back("-");
    cells.push_back(fmt::format("{:.1f}", row.effective_dims));
    cells.push_back(fmt::format("{:.2f}", row.normalized_std));
    table.push_back(std::move(cells));
  }
  return Table(table);
}

}  // namespace v2r
