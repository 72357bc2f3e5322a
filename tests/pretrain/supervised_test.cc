// Learning from labels: which pictures, which layers, which numbers.
#include "pretrain/supervised.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "core/interrupt.h"
#include "core/torch_rng.h"
#include "models/positions.h"
#include "models/vit.h"
#include "pretrain/adapt.h"
#include "pretrain/checkpoint.h"
#include "pretrain/layers.h"
#include "pretrain/setup.h"
#include "pretrain/step.h"
#include "tests/pretrain/bars.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;

// ---- which pictures

TEST(PickLabels, IsBalancedSeededAndNested) {
  std::vector<int64_t> targets;
  for (int64_t i = 0; i < 300; ++i) targets.push_back(i < 200 ? 0 : i < 290 ? 1 : 2);
  const auto pick = [&](double fraction, uint64_t seed) {
    return PickBalanced(targets, 3, fraction, Rng(seed));
  };
  const auto tenth = pick(0.1, 1);
  std::map<int64_t, int64_t> counts;
  for (const int64_t i : tenth) ++counts[targets[i]];
  EXPECT_THAT(counts, ElementsAre(std::pair(0, 20), std::pair(1, 9), std::pair(2, 1)));
  EXPECT_EQ(pick(0.1, 1), tenth);
  EXPECT_NE(pick(0.1, 2), tenth);
  EXPECT_THAT(pick(0.01, 1), IsSubsetOf(tenth));
  EXPECT_EQ(pick(1e-4, 1).size(), 3u) << "one of each class at least";
  EXPECT_EQ(pick(1, 1).size(), 300u);
}

TEST(PickLabels, FramesOfAClipHaveItsClass) {
  const Labels labels = PickLabels(ColouredSquares(4, 0, 3), 0.5, Rng(1), "supervised");
  EXPECT_EQ(labels.classes, 2);
  EXPECT_EQ(labels.size(), 6);
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(labels.targets[i], labels.frames[i].clip % 2);
}

TEST(PickLabels, WhatHasNoLabelsIsRefused) {
  const auto message = [](const ClipSet& clips) {
    return UserMessage([&] { PickLabels(clips, 1, Rng(1), "supervised"); });
  };
  EXPECT_THAT(message(Squares(2)), AllOf(HasSubstr("supervised"), HasSubstr("no classes")));
  ClipSet one = ColouredSquares(4);
  for (Clip& clip : one.clips) clip.target = 0;
  EXPECT_THAT(message(one), HasSubstr("only one class"));
  ClipSet unlabelled = ColouredSquares(4);
  unlabelled.clips[2].target = -1;
  EXPECT_THAT(message(unlabelled), HasSubstr("good/2 has no label"));
}

TEST(DrawPositions, EachComesBeforeAnyComesAgain) {
  Rng rng(1);
  const auto positions = DrawPositions(5, 12, rng);
  ASSERT_EQ(positions.size(), 12u);
  for (int64_t round = 0; round < 2; ++round) {
    const auto begin = positions.begin() + 5 * round;
    EXPECT_EQ(std::set<int64_t>(begin, begin + 5).size(), 5u);
  }
}

TEST(PickLabels, OtherLabelsAreOtherDataToACheckpoint) {
  ClipSet clips = ColouredSquares(4);
  const auto data = [&] {
    return SettingsOf(TinyOptions("supervised"), TinySpec("supervised"), clips).at("data");
  };
  const std::string before = data();
  EXPECT_EQ(data(), before);
  clips.clips[0].target = 1;
  EXPECT_NE(data(), before);
}

// ---- which layers

EncoderSpec ResNetSpec() {
  EncoderSpec spec = TinySpec();
  spec.arch = "resnet18";
  spec.pooling = "avg";
  return spec;
}

TEST(LayerDecay, MultipliersAreThoseOfBeitAndMae) {
  const auto scales = [](const EncoderSpec& spec) {
    Rng rng(1);
    PretrainOptions options = TinyOptions("supervised");
    options.supervised.layer_decay = 0.5;
    const EncoderNet net = MakeEncoderNet(spec, rng);
    const Supervised method(options, net, rng);
    std::map<std::string, double> scales;
    for (const auto& item : net->named_parameters()) {
      scales[item.key()] = method.LearningRateScale(item.value());
    }
    return scales;
  };
  EncoderSpec spec = TinySpec("supervised");  // two blocks
  spec.registers = 2;
  auto vit = scales(spec);
  for (const char* name :
       {"cls_token", "pos_embed", "register_tokens", "patch_embed.proj.weight"}) {
    EXPECT_EQ(vit.at(name), 0.125) << name;
  }
  EXPECT_EQ(vit.at("blocks.0.norm1.weight"), 0.25);
  EXPECT_EQ(vit.at("blocks.1.mlp.fc2.bias"), 0.5);
  EXPECT_EQ(vit.at("norm.weight"), 1);
  EXPECT_EQ(vit.at("fc.weight"), 1);
  const auto resnet = scales(ResNetSpec());
  EXPECT_EQ(resnet.at("conv1.weight"), 1.0 / 32);
  EXPECT_EQ(resnet.at("bn1.weight"), 1.0 / 32);
  EXPECT_EQ(resnet.at("layer1.0.conv1.weight"), 1.0 / 16);
  EXPECT_EQ(resnet.at("layer4.1.bn2.bias"), 0.5);
  EXPECT_EQ(resnet.at("fc.bias"), 1);
  const auto conv = scales(TinySpec());
  EXPECT_EQ(conv.at("conv1.weight"), 1.0 / 16);
  EXPECT_EQ(conv.at("conv4.bias"), 0.5);
  EXPECT_EQ(conv.at("fc.weight"), 1);
}

// What the step sets: a group's rate is the schedule's times its scale, and biases do not decay.
TEST(LayerDecay, GroupsHaveTheirOwnStepSizesAndDecay) {
  PretrainOptions options = With(TinyOptions("supervised", 10),
                                 "{learning_rate: 0.01, schedule: constant, "
                                 "weight_decay: 0.3, decay_norm_and_bias: false, "
                                 "supervised: {layer_decay: 0.5}}");
  Rng rng(1);
  Supervised method(options, MakeEncoderNet(TinySpec("supervised"), rng), rng);
  const ClipSet clips = ColouredSquares();
  method.Prepare(clips, PlainViews(clips, SpreadFrames(clips, 8), TinySpec()));
  const auto optimizer = MakeOptimizer(options, method.Parameters(), [&](const torch::Tensor& p) {
    return method.LearningRateScale(p);
  });
  PretrainStep(options, method, *optimizer, [&] { return method.Views(clips, rng); }, 0);
  std::map<const void*, std::pair<double, double>> set;
  for (auto& group : optimizer->param_groups()) {
    const auto& adamw = dynamic_cast<torch::optim::AdamWOptions&>(group.options());
    for (const auto& p : group.params()) {
      set[p.unsafeGetTensorImpl()] = {adamw.lr(), adamw.weight_decay()};
    }
  }
  EXPECT_EQ(optimizer->param_groups().size(), 8u);  // four scales, with and without decay
  const auto of = [&](const torch::Tensor& p) { return set.at(p.unsafeGetTensorImpl()); };
  const auto net = method.encoder()->named_parameters();
  EXPECT_EQ(of(net["patch_embed.proj.weight"]), (std::pair{0.00125, 0.3}));
  EXPECT_EQ(of(net["patch_embed.proj.bias"]), (std::pair{0.00125, 0.0}));
  EXPECT_EQ(of(net["blocks.1.attn.qkv.weight"]), (std::pair{0.005, 0.3}));
  const auto head = method.heads().at("classifier")->named_parameters();
  EXPECT_EQ(of(head["layers.0.weight"]), (std::pair{0.01, 0.3}));
  EXPECT_EQ(of(head["layers.0.bias"]), (std::pair{0.01, 0.0}));
}

TEST(FineTuneAfterBlock, EarlierLayersAndTheirStatisticsStay) {
  const TempFolder folder;
  const auto start = folder / "start.safetensors";
  Rng rng(1);
  SaveEncoder(start, *MakeEncoderNet(ResNetSpec(), rng), {}, {});
  const StateDict before = Under(Tensors(start), "net");
  const PretrainOptions options =
      With(TinyOptions("supervised", 4), "{log_every: 2, init_from: " + start.string() +
                                             ", supervised: {fine_tune_after_block: 2}}");
  const auto path = folder / "encoder.safetensors";
  Pretrain(options, EncoderSpec{}, ColouredSquares(), path, kCpu);
  int64_t moved = 0, kept = 0;
  for (const auto& [name, blob] : Under(Tensors(path), "net")) {
    const bool late = name.starts_with("layer3") || name.starts_with("layer4");
    const bool same = blob.bytes == before.at(name).bytes;
    if (late && name.ends_with("running_mean")) {
      EXPECT_FALSE(same) << name;
    }
    if (late || name.starts_with("fc")) {
      moved += !same;
    } else {
      EXPECT_TRUE(same) << name;
      ++kept;
    }
  }
  EXPECT_GT(moved, 30);
  EXPECT_GT(kept, 30);
  const auto message = UserMessage([&] {
    Pretrain(With(options, "supervised: {fine_tune_after_block: 5}"), EncoderSpec{},
             ColouredSquares(), folder / "e.safetensors", kCpu);
  });
  EXPECT_THAT(message, AllOf(HasSubstr("the last block of resnet18 is 4"),
                             HasSubstr("freeze_encoder=true")));
}

// ---- another size

EncoderSpec Larger(EncoderSpec spec, int64_t size, double drop_path = 0) {
  spec.input_size = size;
  spec.drop_path = drop_path;
  return spec;
}

TEST(AdaptNet, PositionsGoToTheNewGrid) {
  Rng rng(1);
  EncoderSpec spec = TinySpec("supervised");
  const EncoderNet net = MakeEncoderNet(spec, rng);
  const torch::Tensor table = ModuleState(*net).at("pos_embed");
  const auto adapted = [&](const EncoderNet& from, const std::string& interpolation) {
    return ModuleState(*AdaptNet(*from, Larger(from->spec(), 48), interpolation, rng));
  };
  const auto deit = adapted(net, "deit"), dino = adapted(net, "dino");
  EXPECT_TRUE(torch::equal(deit.at("pos_embed"), InterpolatePositionsDeit(table, 6, 6)));
  EXPECT_TRUE(torch::equal(dino.at("pos_embed"), InterpolatePositionsDino(table, 6, 6)));
  EXPECT_FALSE(torch::equal(deit.at("pos_embed"), dino.at("pos_embed")));
  EXPECT_TRUE(torch::equal(deit.at("blocks.1.mlp.fc1.weight"),
                           ModuleState(*net).at("blocks.1.mlp.fc1.weight")));
  spec.positions = "sincos";
  EXPECT_TRUE(torch::equal(adapted(MakeEncoderNet(spec, rng), "deit").at("pos_embed"),
                           SinCosTable(VitShapeOf(spec).dim, 6, 6, "mae", true)));
}

TEST(AdaptNet, DropPathMayBeginAndOtherSizesAreRefusedByName) {
  Rng rng(1);
  const EncoderNet vit = MakeEncoderNet(TinySpec("supervised"), rng);
  const EncoderNet dropping = AdaptNet(*vit, Larger(vit->spec(), 32, 0.2), "deit", rng);
  EXPECT_EQ(dropping->spec().drop_path, 0.2);
  EXPECT_TRUE(ModuleState(*dropping).contains("drop_path_draws"));
  const EncoderNet flat = MakeEncoderNet(TinySpec(), rng);
  EXPECT_THAT(UserMessage([&] { AdaptNet(*flat, Larger(flat->spec(), 48), "deit", rng); }),
              AllOf(HasSubstr("init_input_size=48"), HasSubstr("conv4"), HasSubstr("32 pixels")));
  EXPECT_THAT(UserMessage([&] { AdaptNet(*vit, Larger(vit->spec(), 50), "deit", rng); }),
              AllOf(HasSubstr("init_input_size=50"), HasSubstr("patch_size 8")));
}

TEST(MakeStartingNet, ALargerPictureAndDropPathFromAFile) {
  const TempFolder folder;
  Rng rng(1);
  const auto start = folder / "start.safetensors";
  SaveEncoder(start, *MakeEncoderNet(TinySpec("supervised"), rng), {}, {});
  PretrainOptions options =
      With(TinyOptions("supervised"), "{init_input_size: 64, init_from: " + start.string() + "}");
  EncoderSpec asked;
  asked.drop_path = 0.1;
  const EncoderNet net = MakeStartingNet(options, asked, rng).net;
  EXPECT_EQ(net->spec().input_size, 64);
  EXPECT_EQ(net->spec().drop_path, 0.1);
  EXPECT_EQ(net->spec().depth, 2);
  options.init_from.clear();
  EXPECT_THAT(UserMessage([&] { CheckOptions(options); }), HasSubstr("init_input_size=64"));
}

// ---- heads

TEST(ToHead, IsTheProjectionHeadInEvalMode) {
  Rng rng(1);
  ProjectionHeadImpl projection({.in_dim = 10, .hidden_dim = 8, .out_dim = 4, .layers = 3}, rng);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : projection.parameters()) {
    if (parameter.dim() == 2) parameter.mul_(50);
  }
  const auto x = RandomNormal(rng, {64, 10}) * 2 + 1;
  projection.forward(x);  // moves its statistics
  projection.eval();
  const Head head = ToHead(projection);
  EXPECT_EQ(head->spec().hidden, (std::vector<int64_t>{8, 8}));
  head->eval();
  EXPECT_GT(projection.forward(x).std().item<double>(), 0.1);
  EXPECT_TRUE(torch::allclose(head->forward(x), projection.forward(x), 1e-4, 1e-5));
  // From the middle: the hidden layers up to and with the first ReLU, then zeros.
  const Head start = StartOfHead(*head, 1, 3, rng);
  start->eval();
  EXPECT_EQ(start->spec().hidden, (std::vector<int64_t>{8}));
  InitLastLayer(*start, 0, rng);
  EXPECT_EQ(start->forward(x).abs().max().item<double>(), 0);
  auto last = start->named_parameters()["layers.3.weight"];
  last.copy_(torch::eye(3, 8));
  EXPECT_TRUE(
      torch::allclose(start->forward(x), projection.Layers(x)[1].slice(1, 0, 3), 1e-4, 1e-5));
}

TEST(FtProjSelector, TheClassifierBeginsWithTheProjectionHeadOfSimclr) {
  const TempFolder folder;
  const auto simclr = folder / "simclr.safetensors";
  PretrainOptions options = TinyOptions("simclr", 4);
  options.projection_layers = 3;
  Pretrain(options, TinySpec(), ColouredSquares(), simclr, kCpu);
  const auto projection = Under(Tensors(simclr), "head.projection");
  EXPECT_TRUE(projection.contains("layers.4.running_mean"));
  PretrainOptions tuned = With(TinyOptions("supervised", 2),
                               "{learning_rate: 0, supervised: {ft_proj_selector: 1}, "
                               "init_from: " +
                                   simclr.string() + "}");
  const auto path = folder / "tuned.safetensors";
  Pretrain(tuned, EncoderSpec{}, ColouredSquares(), path, kCpu);
  const auto classifier = Under(Tensors(path), "head.classifier");
  EXPECT_EQ(classifier.at("layers.0.weight").bytes, projection.at("layers.0.weight").bytes);
  EXPECT_EQ(classifier.at("layers.3.weight").shape, (std::vector<int64_t>{2, 16}));
  tuned.supervised.ft_proj_selector = 3;
  const auto refused = [&](const PretrainOptions& o) {
    return UserMessage(
        [&] { Pretrain(o, EncoderSpec{}, ColouredSquares(), folder / "e.safetensors", kCpu); });
  };
  EXPECT_THAT(refused(tuned), AllOf(HasSubstr("ft_proj_selector=3"), HasSubstr("2 hidden layers")));
  tuned.init_from = path.string();
  EXPECT_THAT(refused(tuned), HasSubstr("no head 'projection'"));
  tuned.init_from.clear();
  EXPECT_THAT(refused(tuned), HasSubstr("set pretrain.init_from"));
}

// ---- learning

TEST(SupervisedTest, LearnsClassesAndWritesAClassifierThatTellsThem) {
  const TempFolder folder;
  const auto path = folder / "encoder.safetensors";
  const PretrainOptions options = With(TinyOptions("supervised", 120),
                                       "{batch_size: 32, learning_rate: 0.003, log_every: 30, "
                                       "supervised: {smoothing: 0.1, mixup: 0.2}}");
  std::vector<Metrics> rows;
  Pretrain(options, BarsSpec(), Bars(240), path, kCpu,
           {[&](int64_t, const Metrics& row) { rows.push_back(row); }});
  EXPECT_GT(rows.back().at("pretrain/val_acc"), 0.9);
  EXPECT_LT(rows.back().at("pretrain/loss"), rows.front().at("pretrain/loss"));
  EXPECT_GT(rows.back().at("pretrain/train_acc"), 0.8);
  const Encoder encoder = LoadEncoder(path, kCpu, "float32");
  EXPECT_EQ(encoder.info().at("classes"), "standing, lying, leaning");
  const ClipSet test = Bars(60, 9);
  int64_t right = 0;
  for (const Clip& clip : test.clips) {
    const auto logits = encoder.ApplyHead("classifier", encoder.Embed(clip.frames));
    right += logits[0].argmax().item<int64_t>() == clip.target;
  }
  EXPECT_GT(right, 54);
}

TEST(SupervisedTest, ALinearProbeLeavesTheEncoderAlone) {
  const TempFolder folder;
  const auto start = folder / "start.safetensors", path = folder / "probe.safetensors";
  PretrainOptions options = TinyOptions("supervised", 0);
  Pretrain(options, BarsSpec(), Bars(60), start, kCpu);
  options = With(TinyOptions("supervised", 60),
                 "{freeze_encoder: true, learning_rate: 0.03, batch_size: 32, init_from: " +
                     start.string() + "}");
  const auto result = Pretrain(options, EncoderSpec{}, Bars(240), path, kCpu);
  EXPECT_TRUE(SameBits(Under(Tensors(path), "net"), Under(Tensors(start), "net")));
  EXPECT_GT(result.final_metrics.at("pretrain/train_acc"), 0.5);
  const auto head = ToTensors(Under(Tensors(path), "head.classifier"));
  EXPECT_NE(head.at("deviation").std().item<double>(), 0) << "features are standardised";
  EXPECT_EQ(LoadEncoder(path, kCpu, "float32").spec().metric, "l2") << "the file's";
}

// From a file, with everything on that draws or has a state of its own.
TEST(SupervisedTest, FineTuningContinuesBitForBit) {
  const TempFolder folder;
  const auto start = folder / "start.safetensors";
  Rng rng(1);
  EncoderSpec spec = TinySpec("supervised");
  const EncoderNet net = MakeEncoderNet(spec, rng);
  const ProjectionHeadImpl projection({.in_dim = net->output_dim(), .hidden_dim = 12}, rng);
  SaveEncoder(start, *net, {{"projection", ToHead(projection)}}, {});
  PretrainOptions options =
      With(TinyOptions("supervised", 6),
           "{log_every: 6, init_input_size: 48, decay_norm_and_bias: false, weight_decay_end: 0.2, "
           "init_from: " +
               start.string() +
               ", supervised: {mixup: 0.8, cutmix: 1, mixup_mode: elem, layer_decay: 0.7, "
               "fine_tune_after_block: 0, ft_proj_selector: 1, label_fraction: 0.5}}");
  EncoderSpec asked;
  asked.drop_path = 0.3;
  const auto whole = folder / "whole.safetensors", parts = folder / "parts.safetensors";
  Pretrain(options, asked, ColouredSquares(), whole, kCpu);
  PretrainOptions first = options;
  first.log_every = 3;
  EXPECT_THROW(Pretrain(first, asked, ColouredSquares(), parts, kCpu,
                        {[](int64_t, const Metrics&) { RequestInterrupt(true); }}),
               Interrupted);
  RequestInterrupt(false);
  EXPECT_EQ(Pretrain(options, asked, ColouredSquares(), parts, kCpu).resumed_from, 3);
  EXPECT_EQ(ReadFile(parts), ReadFile(whole));
  EXPECT_EQ(LoadEncoder(parts, kCpu, "float32").spec().input_size, 48);
}

TEST(SupervisedTest, AnOddBatchCannotBePaired) {
  const TempFolder folder;
  const PretrainOptions options =
      With(TinyOptions("supervised"), "{batch_size: 7, supervised: {cutmix: 1}}");
  EXPECT_THAT(UserMessage([&] {
                Pretrain(options, TinySpec("supervised"), ColouredSquares(),
                         folder / "e.safetensors", kCpu);
              }),
              AllOf(HasSubstr("batch_size=7"), HasSubstr("even")));
}

TEST(SupervisedTest, ViewsAreTheLabelledPicturesAndTheirClasses) {
  PretrainOptions options = With(TinyOptions("supervised"),
                                 "{batch_size: 6, augment: {preset: none}, "
                                 "supervised: {label_fraction: 0.01}}");
  Rng rng(1);
  Supervised method(options, MakeEncoderNet(TinySpec("supervised"), rng), rng);
  const ClipSet clips = Bars(90);
  method.Prepare(clips, {});
  const PretrainBatch batch = method.Views(clips, rng);
  std::set<int64_t> shown;
  for (int64_t i = 0; i < 6; ++i) {
    for (size_t c = 0; c < clips.clips.size(); ++c) {
      const auto plain = PlainViews(clips, std::vector<FrameIndex>{{static_cast<int64_t>(c), 0}},
                                    TinySpec("supervised"));
      if (!torch::equal(plain[0], batch.tensors.at("views")[i])) continue;
      shown.insert(static_cast<int64_t>(c));
      EXPECT_EQ(batch.tensors.at("targets")[i].argmax().item<int64_t>(), clips.clips[c].target);
    }
  }
  EXPECT_EQ(shown.size(), 3u) << "one picture a class, each twice";
}

}  // namespace
}  // namespace v2r
