#include "app/evaluate.h"

#include <nlohmann/json.hpp>

#include "app/evaluate_pictures.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include "learn/losses.h"
#include "media/manifest.h"
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
  score("encoder", encoder);
  if (options.strips > 0) {
    WriteNeighbours(fs::path(options.out) / "neighbours.png", data, z_train, z_test,
                    options.strips);
    WriteScatters(options, data, z_test, encoder.spec().metric);
  }
  if (options.baselines) {
    if (encoder.spec().arch != "pixels") {
      score("untrained", LoadEncoder(WriteUntrained(encoder.spec(), train, options.evaluate.seed,
                                                    options.out, device),
                                     device, "float32"));
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
  table[0].insert(table[0].end(), {"linear, training", "effective dims", "spread"});
  for (const Scores& row : evaluation.rows) {
    std::vector<std::string> cells = {row.name};
    for (const double accuracy : row.knn) cells.push_back(fmt::format("{:.1f} %", accuracy));
    cells.push_back(fmt::format("{:.1f} %", row.linear));
    cells.push_back(fmt::format("{:.1f} %", row.linear_train));
    cells.push_back(fmt::format("{:.1f}", row.effective_dims));
    cells.push_back(fmt::format("{:.2f}", row.normalized_std));
    table.push_back(std::move(cells));
  }
  return Table(table);
}

}  // namespace v2r
