// What every pretraining method must do, run over the registry.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/interrupt.h"
#include "pretrain/checkpoint.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::HasSubstr;

// Methods that have something to train on a frozen encoder.
bool HasOwnHead(const std::string& method) {
  return method == "ranking" || method == "progress" || method == "goal_classifier" ||
         LearnsFromLabels(method);
}

class PretrainConformance : public ::testing::TestWithParam<std::string> {
 protected:
  TempFolder folder_;
};

TEST_P(PretrainConformance, LossFallsAndNumbersAreReported) {
  const int64_t row = GetParam() == "moco" ? 80 : 20;  // its keys follow slowly
  PretrainOptions options = TinyOptions(GetParam(), 4 * row);
  options.batch_size = 16;
  options.log_every = row;
  options.learning_rate = 2e-3;
  if (GetParam() == "moco") {
    // There are 96 frames, each like its neighbours: a longer queue would hold keys of those of the
    // batch, and a shift of two pixels is as much as two steps.
    options = With(options, "{queue_size: 16, moco_head: none, augment: {preset: none}}");
  }
  if (GetParam() == "dino") {
    // The loss is also the teacher's entropy, which has to settle: a quick teacher, equal views.
    options = With(options, R"({projection_dim: 64, projection_hidden: 64, embedding_norm: true,
        ema_momentum: 0.9, local_crops_number: 0, augment: {preset: none}})");
  }
  if (GetParam() == "distill") {
    // A loss of soft targets ends at their entropy: sharp ones, in fewer steps.
    options = With(options, "{learning_rate: 0.005, distill: {temperature: 0.2}}");
  }
  std::vector<int64_t> steps;
  std::vector<Metrics> rows;
  const PretrainResult result =
      Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()),
               folder_ / "encoder.safetensors", kCpu, {[&](int64_t step, const Metrics& row) {
                 steps.push_back(step);
                 rows.push_back(row);
               }});
  EXPECT_EQ(steps, (std::vector<int64_t>{row, 2 * row, 3 * row, 4 * row}));
  EXPECT_LT(rows.back().at("pretrain/loss"), 0.9 * rows.front().at("pretrain/loss"));
  for (const char* name :
       {"pretrain/learning_rate", "pretrain/effective_dims", "pretrain/embedding_std",
        "pretrain/embedding_spread", "pretrain/collapsed", "pretrain/knn_acc",
        "time/samples_per_second", "time/loader_share"}) {
    for (const Metrics& row : rows) {
      ASSERT_TRUE(row.contains(name)) << name;
      EXPECT_TRUE(std::isfinite(row.at(name))) << name;
    }
  }
  EXPECT_EQ(result.final_metrics, rows.back());
  EXPECT_FALSE(std::filesystem::exists(CheckpointPath(result.encoder_path)));
}

TEST_P(PretrainConformance, EncoderFileLoads) {
  const auto path = folder_ / "encoder.safetensors";
  Pretrain(TinyOptions(GetParam()), TinySpec(GetParam()), TinyClips(GetParam()), path, kCpu, {},
           {{"data", "squares"}});
  const Encoder encoder = LoadEncoder(path, kCpu, "float32");
  EXPECT_EQ(encoder.info().at("method"), GetParam());
  EXPECT_EQ(encoder.info().at("iterations"), "3");
  EXPECT_EQ(encoder.info().at("seed"), "1");
  EXPECT_EQ(encoder.info().at("data"), "squares");
  const bool cosine = GetParam() == "simclr" || GetParam() == "dino" ||
                      GetParam().starts_with("moco") || LearnsFromLabels(GetParam());
  EXPECT_EQ(encoder.spec().metric, cosine ? "cosine" : "l2");
  EXPECT_EQ(encoder.HasHead("rank"), GetParam() == "ranking");
  EXPECT_EQ(encoder.HasHead("progress"), GetParam() == "progress");
  EXPECT_EQ(encoder.HasHead("goal"), GetParam() == "goal_classifier");
  EXPECT_EQ(encoder.HasHead("projection"), GetParam() == "simclr");
  EXPECT_EQ(encoder.HasHead("classifier"), LearnsFromLabels(GetParam()));
  const torch::Tensor z = encoder.Embed(Squares().clips[0].frames);
  EXPECT_EQ(z.sizes(), (std::vector<int64_t>{16, 16}));
  EXPECT_TRUE(z.isfinite().all().item<bool>());
}

TEST_P(PretrainConformance, SameSeedSameBits) {
  const PretrainOptions options = TinyOptions(GetParam(), 5);
  for (const char* name : {"a.safetensors", "b.safetensors"}) {
    Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()), folder_ / name, kCpu);
  }
  EXPECT_EQ(ReadFile(folder_ / "a.safetensors"), ReadFile(folder_ / "b.safetensors"));
}

// Interrupted after 4 of 8 iterations, a row of metrics half collected, then called again.
TEST_P(PretrainConformance, InterruptedAndContinuedIsBitForBit) {
  PretrainOptions options = TinyOptions(GetParam(), 8);
  options.log_every = 8;
  const PretrainResult whole = Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()),
                                        folder_ / "whole.safetensors", kCpu);

  const auto path = folder_ / "parts.safetensors";
  PretrainOptions first = options;
  first.log_every = 4;
  EXPECT_THROW(Pretrain(first, TinySpec(GetParam()), TinyClips(GetParam()), path, kCpu,
                        {[](int64_t, const Metrics&) { RequestInterrupt(true); }}),
               Interrupted);
  RequestInterrupt(false);
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(std::filesystem::exists(CheckpointPath(path)));
  const PretrainResult rest =
      Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()), path, kCpu);
  EXPECT_EQ(rest.resumed_from, 4);
  EXPECT_EQ(ReadFile(path), ReadFile(folder_ / "whole.safetensors"));
  EXPECT_EQ(rest.final_metrics.at("pretrain/embedding_std"),
            whole.final_metrics.at("pretrain/embedding_std"));
  EXPECT_FALSE(std::filesystem::exists(CheckpointPath(path)));
}

TEST_P(PretrainConformance, PeriodicCheckpointContinuesWithTheRunningMeans) {
  PretrainOptions options = TinyOptions(GetParam(), 8);
  options.log_every = 8;
  const PretrainResult whole = Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()),
                                        folder_ / "whole.safetensors", kCpu);
  // The copy of a checkpoint that is taken every 3 iterations: what a killed process leaves behind.
  const auto path = folder_ / "killed.safetensors";
  PretrainOptions killed = options;
  killed.checkpoint_every = 3;
  const auto saved = folder_ / "saved";
  Pretrain(
      killed, TinySpec(GetParam()), TinyClips(GetParam()), path, kCpu,
      {[&](int64_t, const Metrics&) { std::filesystem::copy_file(CheckpointPath(path), saved); }});
  std::filesystem::remove(path);
  std::filesystem::rename(saved, CheckpointPath(path));
  const PretrainResult rest =
      Pretrain(options, TinySpec(GetParam()), TinyClips(GetParam()), path, kCpu);
  EXPECT_EQ(rest.resumed_from, 6);
  EXPECT_EQ(ReadFile(path), ReadFile(folder_ / "whole.safetensors"));
  EXPECT_EQ(rest.final_metrics.at("pretrain/loss"), whole.final_metrics.at("pretrain/loss"));
}

TEST_P(PretrainConformance, FrameStacksTrain) {
  EncoderSpec spec = TinySpec(GetParam());
  spec.frame_stack = 2;
  const auto path = folder_ / "encoder.safetensors";
  PretrainOptions options = TinyOptions(GetParam());
  if (GetParam() == "distill") options.distill.teacher = TeacherFile(spec);
  Pretrain(options, spec, TinyClips(GetParam()), path, kCpu);
  const torch::Tensor frames = Squares().clips[0].frames;
  const torch::Tensor stacks = torch::stack({frames.slice(0, 0, 15), frames.slice(0, 1, 16)}, 1);
  EXPECT_TRUE(LoadEncoder(path, kCpu, "float32").Embed(stacks).isfinite().all().item<bool>());
}

// ---- every option changes something

struct KeyCase {
  std::string yaml;                       // the key at another value
  std::vector<std::string> methods = {};  // that read it, empty = all
  std::string base = "";                  // what else is set, on both sides
  std::string arch = "";                  // empty = the one of TinySpec
  int64_t stack = 1;                      // pictures that the encoder stacks
};

std::vector<KeyCase> KeyCases(const std::string& init_from) {
  const std::string from = "init_from: " + init_from + "\n";
  const std::string both = "supervised: {mixup: 0.8, cutmix: 1, mixup_mode: elem}";
  const std::vector<std::string> film_methods = {"goal_classifier", "lifs", "progress", "r3m",
                                                 "ranking", "tcc", "tcn", "tdist"};
  const std::string hinge = "{tcn_loss: xirl_hinge, clip_frames: 12, margin: 1000}";
  return {{"seed: 7"},
          {"iterations: 4"},
          {"batch_size: 4"},
          {"gradient_accumulation_steps: 2"},
          {"precision: bf16"},
          {"precision: fp16"},
          {"grad_scaler: {init_scale: 1.0e+34}", {}, "precision: fp16"},
          {"grad_scaler: {growth_factor: 4}",
           {},
           "{precision: fp16, grad_scaler: {init_scale: 4, growth_interval: 1}}"},
          {"grad_scaler: {backoff_factor: 0.25}",
           {},
           "{precision: fp16, grad_scaler: {init_scale: 1.0e+34}}"},
          {"grad_scaler: {growth_interval: 1}",
           {},
           "{precision: fp16, grad_scaler: {init_scale: 4}}"},
          {"optimizer: sgd"},
          {"optimizer: lars"},
          {"optimizer: lars_clip"},
          {"optimizer: adam"},
          {"learning_rate: 0.003"},
          {"min_learning_rate: 0.0005"},
          {"weight_decay: 0.5"},
          {"weight_decay_end: 0.9"},
          {"adam_beta2: 0.9"},
          {"decay_norm_and_bias: false"},
          {"clip_grad: 0.0001"},
          {"warmup_iterations: 2"},
          {"schedule: linear"},
          {"schedule: constant"},
          {"schedule: dino", {}, "warmup_iterations: 2"},
          {"init_from: " + init_from},
          {"freeze_encoder: true"},
          {"data_dependent_init: false"},
          {"labels: [good, random]"},
          {"checkpoint_every: 1"},
          {"log_every: 1"},
          {"monitor_frames: 0"},
          {"monitor_linear: true"},
          {"augment: {preset: none}"},
          {"augment: {shift: 0}"},
          {"temperature: 0.5", {"simclr", "moco", "mocov3", "dino", "tcc", "lifs"}},
          {"temperature: 0.5", {"tcn"}, "tcn_loss: xirl"},
          {"temperature: 0.5", {"tcn"}, hinge},
          {"ntxent_scaling: simclr", {"simclr"}},
          {"projection_hidden: 12", {"simclr", "mocov3", "dino"}},
          {"projection_dim: 12", {"simclr", "moco", "mocov3", "dino"}},
          {"projection_layers: 3", {"simclr", "mocov3", "dino"}},
          {"temporal_window: 3", {"simclr", "moco", "mocov3", "dino"}},
          {"memory_size: 32", {"simclr"}},
          {"second_blur_p: 1", {"simclr", "moco", "mocov3", "dino"}},
          {"second_solarize_p: 1", {"simclr", "moco", "mocov3", "dino"}},
          {"moco_head: linear", {"moco"}},
          {"moco_head: none", {"moco"}},
          {"queue_size: 32", {"moco"}},
          {"symmetric: true", {"moco"}},
          {"bn_splits: 2", {"moco"}, "", "resnet18"},
          {"ema_momentum: 0.5", {"moco", "mocov3", "dino", "ijepa"}},
          {"ema_schedule: cosine", {"moco", "mocov3", "dino", "ijepa"}},
          {"ema_schedule: linear", {"moco", "mocov3", "dino", "ijepa"}},
          {"predictor_norm: false", {"mocov3"}},
          {"stop_grad_conv1: true", {"mocov3"}, "", "vit_micro"},
          {"out_dim: 24", {"dino"}},
          {"use_bn_in_head: true", {"dino"}},
          {"norm_last_layer: false", {"dino"}, "freeze_last_layer: 0"},
          {"warmup_teacher_temp: 0.02", {"dino"}, "warmup_teacher_temp_epochs: 1"},
          {"teacher_temp: 0.07", {"dino"}},
          {"warmup_teacher_temp_epochs: 2", {"dino"}, "warmup_teacher_temp: 0.02"},
          {"freeze_last_layer: 0", {"dino"}},
          {"epoch_iterations: 1", {"dino"}},
          {"center_momentum: 0.5", {"dino"}},
          {"centering: sinkhorn_knopp", {"dino"}},
          {"embedding_norm: true", {"dino"}},
          {"local_crops_number: 3", {"dino"}},
          {"local_crops_number: 0", {"dino"}},
          {"local_crops_size: 16", {"dino"}},
          {"local_crops_scale: [0.3, 0.6]", {"dino"}},
          {"local_blur_p: 1", {"dino"}},
          {"mask_ratio: 0.5", {"mae"}},
          {"norm_pix_loss: false", {"mae"}},
          {"decoder_dim: 24", {"mae"}},
          {"decoder_depth: 2", {"mae"}},
          {"decoder_heads: 2", {"mae"}},
          {"ijepa: {pred_mask_scale: [0.3, 0.4]}", {"ijepa"}},
          {"ijepa: {enc_mask_scale: [0.5, 0.6]}", {"ijepa"}},
          {"ijepa: {aspect_ratio: [1.5, 2]}", {"ijepa"}},
          {"ijepa: {num_enc_masks: 2}", {"ijepa"}},
          {"ijepa: {num_pred_masks: 2}", {"ijepa"}},
          {"ijepa: {min_keep: 20}", {"ijepa"}, "ijepa: {pred_mask_scale: [0.6, 0.7]}"},
          {"ijepa: {allow_overlap: true}", {"ijepa"}},
          {"ijepa: {pred_emb_dim: 24}", {"ijepa"}},
          {"ijepa: {pred_depth: 2}", {"ijepa"}},
          {"ijepa: {pred_heads: 2}", {"ijepa"}},
          {"init_input_size: 48", {"supervised"}, from},
          {"init_interpolation: dino", {"supervised"}, from + "init_input_size: 48"},
          {"supervised: {label_fraction: 0.3}", {"supervised"}},
          {"supervised: {label_fraction: 0.3}", {"distill"}, "distill: {alpha: 0.5}"},
          {"supervised: {smoothing: 0.1}", {"supervised"}},
          {"supervised: {mixup: 0.8}", {"supervised"}},
          {"supervised: {cutmix: 1}", {"supervised"}},
          {"supervised: {mixup_prob: 0}", {"supervised"}, "supervised: {mixup: 0.8}"},
          {"supervised: {mixup_switch_prob: 1}", {"supervised"}, both},
          {"supervised: {mixup_mode: pair}", {"supervised"}, "supervised: {mixup: 0.8}"},
          {"supervised: {mixup_mode: batch}", {"supervised"}, both},
          {"supervised: {layer_decay: 0.5}", {"supervised"}},
          {"supervised: {fine_tune_after_block: 0}", {"supervised"}},
          {"supervised: {fine_tune_after_block: 2}", {"supervised"}},
          {"supervised: {ft_proj_selector: 1}", {"supervised"}, from},
          {"supervised: {head_init_std: 0.1}", {"supervised", "distill"}},
          {"distill: {teacher: " + TeacherFile(TinySpec(), 4) + "}", {"distill"}},
          {"distill: {temperature: 3}", {"distill"}},
          {"distill: {alpha: 0.5}", {"distill"}},
          {"tcn_loss: xirl", {"tcn"}},
          {"margin: 50", {"tcn"}},
          {"positive_window: 4", {"tcn"}},
          {"positive_window: 4", {"tcn"}, "tcn_loss: xirl"},
          {"negative_window: 7", {"tcn"}},
          {"distance_scale: 4", {"tdist"}},
          {"goal_share: 0", {"tdist"}},
          {"goal_share: 1", {"tdist"}},
          {"cross_clip_goals: false", {"tdist"}},
          {"rank_hidden: []", {"ranking", "goal_classifier"}},
          {"rank_regulariser: 0.5", {"ranking"}},
          {"tcn_loss: xirl_hinge", {"tcn"}, "{margin: 0.5, clip_frames: 12}"},
          {"tcn_loss: npairs", {"tcn"}},
          {"margin: 2000", {"tcn"}, hinge},
          {"positive_window: 3", {"tcn"}, hinge},
          {"negative_window: 4", {"tcn"}, hinge},
          {"clip_frames: 13", {"tcn"}, hinge},
          {"clip_frames: 7", {"tcc", "lifs"}},
          {"num_pairs: 3", {"tcn"}, hinge},
          {"reg_lambda: 0.1", {"tcn"}, "tcn_loss: npairs"},
          {"embedding_length: 10", {"tcn"}},
          {"shared_augment: false", {"vip", "r3m", "tcc", "progress", "lifs"}},
          {"rewind: 0.5", {"vip"}},
          {"rewind: 0.5", film_methods, "", "", 2},
          {"vip: {gamma: 0.9}", {"vip"}},
          {"vip: {num_negatives: 3}", {"vip"}},
          {"vip: {similarity: cosine}", {"vip"}},
          {"vip: {rescale: true}", {"vip"}},
          {"vip: {l2weight: 0}", {"vip"}},
          {"vip: {l1weight: 0}", {"vip"}},
          {"r3m: {tcnweight: 0.1}", {"r3m"}},
          {"r3m: {l2weight: 0.1}", {"r3m"}},
          {"r3m: {l1weight: 0.1}", {"r3m"}},
          {"r3m: {num_negatives: 1}", {"r3m"}},
          {"r3m: {similarity: cosine}", {"r3m"}},
          {"r3m: {alpha: 0}", {"r3m"}},
          {"r3m: {alpha: 0.5}", {"r3m"}},
          {"tcc: {loss_type: regression_mse_var}", {"tcc"}},
          {"tcc: {loss_type: regression_huber}", {"tcc"}},
          {"tcc: {loss_type: classification}", {"tcc"}},
          {"tcc: {similarity: cosine}", {"tcc"}},
          {"tcc: {normalize_embeddings: true}", {"tcc"}},
          {"tcc: {learnable_temp: true}", {"tcc"}},
          {"tcc: {stochastic_matching: true}", {"tcc"}},
          {"tcc: {cycle_length: 3}", {"tcc"}, "tcc: {stochastic_matching: true}"},
          {"tcc: {num_cycles: 5}", {"tcc"}, "tcc: {stochastic_matching: true}"},
          {"tcc: {label_smoothing: 0}", {"tcc"}, "tcc: {loss_type: classification}"},
          {"tcc: {variance_lambda: 0.1}", {"tcc"}, "tcc: {loss_type: regression_mse_var}"},
          {"tcc: {huber_delta: 0.001}", {"tcc"}, "tcc: {loss_type: regression_huber}"},
          {"tcc: {normalize_indices: false}", {"tcc"}},
          {"progress: {hidden: []}", {"progress"}},
          {"progress: {normalize: false}", {"progress"}},
          {"progress: {whole_clips: true}", {"progress"}},
          {"goal_frames: 3", {"goal_classifier"}},
          {"recon_weight: 0.1", {"lifs"}}};
}

// All that a run shows to its user.
struct Outcome {
  std::string refused;
  StateDict tensors;
  std::vector<double> losses;
  std::string monitors;
  std::vector<double> scales;
  int checkpoints_seen = 0;
};

Outcome Observe(const PretrainOptions& options, const KeyCase& key,
                const std::filesystem::path& path) {
  Outcome outcome;
  EncoderSpec spec = TinySpec(options.method);
  if (!key.arch.empty()) spec.arch = key.arch;
  spec.frame_stack = key.stack;
  try {
    Pretrain(options, spec, TinyClips(options.method, 4, 2), path, kCpu,
             {[&](int64_t, const Metrics& row) {
               outcome.losses.push_back(row.at("pretrain/loss"));
               for (const char* name : {"pretrain/knn_acc", "pretrain/linear_acc"}) {
                 if (row.contains(name)) outcome.monitors += name;
               }
               if (row.contains("pretrain/grad_scale")) {
                 outcome.scales.push_back(row.at("pretrain/grad_scale"));
               }
               if (std::filesystem::exists(CheckpointPath(path))) ++outcome.checkpoints_seen;
             }});
    outcome.tensors = Tensors(path);
  } catch (const UserError& error) {
    outcome.refused = error.what();
  }
  return outcome;
}

TEST_P(PretrainConformance, EveryOptionOfTheMethodChangesSomething) {
  const auto start = folder_ / "start.safetensors";
  Rng rng(5);
  EncoderSpec spec = TinySpec(GetParam());
  const EncoderNet net = MakeEncoderNet(spec, rng);
  const ProjectionHeadImpl projection({.in_dim = net->output_dim(), .hidden_dim = 12}, rng);
  SaveEncoder(start, *net, {{"projection", ToHead(projection)}}, {});
  std::map<std::string, Outcome> bases;
  for (const KeyCase& key : KeyCases(start.string())) {
    const bool reads = key.methods.empty() || std::find(key.methods.begin(), key.methods.end(),
                                                        GetParam()) != key.methods.end();
    if (!reads) continue;
    SCOPED_TRACE(key.yaml + " over " + key.base);
    const PretrainOptions base = With(TinyOptions(GetParam()), key.base);
    const std::string id = fmt::format("{} {} {}", key.arch, key.base, key.stack);
    if (!bases.contains(id)) bases[id] = Observe(base, key, folder_ / "before.safetensors");
    const Outcome& before = bases.at(id);
    const Outcome after = Observe(With(base, key.yaml), key, folder_ / "after.safetensors");
    EXPECT_EQ(before.refused, "");
    const bool own_head = HasOwnHead(GetParam());
    const bool may_refuse = key.yaml == "freeze_encoder: true" && !own_head;
    if (may_refuse) {
      EXPECT_THAT(after.refused, HasSubstr("freeze_encoder"));
    } else {
      EXPECT_EQ(after.refused, "");
    }
    const bool same = before.refused == after.refused && SameBits(before.tensors, after.tensors) &&
                      before.losses == after.losses && before.monitors == after.monitors &&
                      before.scales == after.scales &&
                      before.checkpoints_seen == after.checkpoints_seen;
    EXPECT_FALSE(same);
  }
}

// A key that the table above forgets would never be noticed missing.
TEST(PretrainOptionsTest, EveryKeyIsInTheTable) {
  std::set<std::string> covered = {"method"};
  for (const KeyCase& key : KeyCases("x")) covered.insert(key.yaml.substr(0, key.yaml.find(':')));
  for (const FieldDoc& row : Describe(PretrainOptions{})) {
    EXPECT_TRUE(covered.contains(row.path.substr(0, row.path.find('.')))) << row.path;
    const auto dot = row.path.find('.');
    if (dot == std::string::npos || row.path.starts_with("augment.")) continue;
    const std::string nested = row.path.substr(0, dot) + ": {" + row.path.substr(dot + 1) + ":";
    const auto cases = KeyCases("x");
    EXPECT_TRUE(std::any_of(cases.begin(), cases.end(), [&](const KeyCase& key) {
      return key.yaml.starts_with(nested);
    })) << row.path;
  }
}

// Every method has a page, and its page names the options that only it reads.
TEST(PretrainOptionsTest, EveryMethodHasADocsPageAndAConfig) {
  for (const std::string& method : PretrainMethodNames()) {
    const char* source = std::getenv("V2R_SOURCE_DIR");
    ASSERT_NE(source, nullptr);
    const auto root = std::filesystem::path(source);
    const std::string page = ReadFile(root / "docs" / "pretraining" / (method + ".md"));
    for (const KeyCase& key : KeyCases("x")) {
      if (std::find(key.methods.begin(), key.methods.end(), method) == key.methods.end()) continue;
      EXPECT_THAT(page, HasSubstr("`" + key.yaml.substr(0, key.yaml.find(':')) + "`"));
    }
    EXPECT_TRUE(std::filesystem::exists(root / "configs" / "pretrain" / (method + ".yaml")));
  }
}

TEST(PretrainOptionsTest, EveryConfigBindsAndNamesAMethod) {
  const auto folder = std::filesystem::path(std::getenv("V2R_SOURCE_DIR")) / "configs" / "pretrain";
  const auto methods = PretrainMethodNames();
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    PretrainOptions options;
    Bind(LoadYaml(entry.path()), options, "pretrain");
    EXPECT_NE(std::find(methods.begin(), methods.end(), options.method), methods.end())
        << entry.path();
    ++count;
  }
  EXPECT_GE(count, 9);
}

INSTANTIATE_TEST_SUITE_P(Methods, PretrainConformance, ::testing::ValuesIn(PretrainMethodNames()),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace v2r
