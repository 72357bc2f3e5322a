// MAE as a whole: against the reference's model, and what only it asks of its settings.

#include "learn/mae.h"

#include <gmock/gmock.h>

#include "pretrain/mae.h"
#include "pretrain/pictures.h"
#include "tests/golden.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(MaeGolden, WholeModel) {
  for (const GoldenCase& c : GoldenCases("13_mae_full")) {
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    EncoderSpec spec;
    spec.arch = "vit_base";
    spec.input_size = hyper.at("img");
    spec.patch_size = hyper.at("patch");
    spec.embedding_dim = 0;
    spec.positions = "sincos";
    const VitShape shape{hyper.at("dim"), hyper.at("depth"), hyper.at("heads")};
    const auto vit = std::make_shared<VitImpl>(spec, shape);
    const int64_t side = spec.input_size / spec.patch_size;
    Rng rng(1);
    MaeDecoder decoder(MaeDecoderSpec{.in_dim = shape.dim,
                                      .dim = hyper.at("dec_dim"),
                                      .depth = hyper.at("dec_depth"),
                                      .heads = hyper.at("dec_heads"),
                                      .rows = side,
                                      .cols = side,
                                      .pixels = spec.patch_size * spec.patch_size * 3},
                       rng);
    TensorDict of_encoder, of_decoder;
    for (const auto& [name, value] : c.Under("param.")) {
      (name.starts_with("decoder") || name == "mask_token" ? of_decoder : of_encoder)[name] = value;
    }
    EXPECT_TRUE(
        IsClose(ModuleState(*vit).at("pos_embed"), of_encoder.at("pos_embed"), {.absolute = 1e-6}));
    EXPECT_TRUE(IsClose(ModuleState(*decoder).at("decoder_pos_embed"),
                        of_decoder.at("decoder_pos_embed"), {.absolute = 1e-6}));
    LoadModuleState(*vit, of_encoder, c.name);
    LoadModuleState(*decoder, of_decoder, c.name);
    vit->to(TestDevice());
    decoder->to(TestDevice());
    MaskedAutoencoder model(vit, decoder, hyper.at("mask_ratio"), hyper.at("norm_pix_loss"));
    const Tolerance tolerance{.relative = 1e-5, .absolute = 1e-5};
    const auto result = model.Forward(c["in.imgs"], c["in.noise"]);
    EXPECT_TRUE(torch::equal(result.removed, c["out.mask"]));
    EXPECT_TRUE(torch::equal(result.restore, c["out.ids_restore"]));
    EXPECT_TRUE(IsClose(result.latent, c["out.latent"], tolerance));
    EXPECT_TRUE(IsClose(result.prediction, c["out.pred"], tolerance));
    EXPECT_TRUE(IsClose(result.loss, c["out.loss"], {.relative = 1e-5}));
    result.loss.backward();
    const auto encoder_parameters = vit->named_parameters();
    const auto decoder_parameters = decoder->named_parameters();
    for (const auto& [name, grad] : c.Under("out.grad.")) {
      const auto* parameter = encoder_parameters.find(name);
      if (parameter == nullptr) parameter = decoder_parameters.find(name);
      ASSERT_NE(parameter, nullptr) << name;
      EXPECT_TRUE(IsClose(parameter->grad(), grad, tolerance)) << name;
    }
  }
}

// A decoder that predicts the target itself paints the picture itself.
TEST(Mae, ReconstructionKeepsWhatItSees) {
  for (const std::string background : {"none", "subtract"}) {
    EncoderSpec spec = TinySpec("mae");
    spec.background = background;
    Rng rng(3);
    const auto vit = std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(spec, rng));
    const ClipSet clips = Squares(2);
    const auto views = Normalise(spec, PlainViews(clips, SpreadFrames(clips, 6), spec));
    if (background == "subtract") vit->SetBackground(views);
    MaeDecoder decoder(MaeDecoderSpec{.in_dim = vit->shape().dim,
                                      .dim = 16,
                                      .depth = 1,
                                      .heads = 2,
                                      .rows = 4,
                                      .cols = 4,
                                      .pixels = 192},
                       rng);
    for (const bool norm_pix : {false, true}) {
      MaskedAutoencoder model(vit, decoder, 0.5, norm_pix);
      const auto noise = torch::arange(16, torch::kFloat).repeat({6, 1});
      const auto painted = model.Reconstruct(views, noise);
      // The eight patches of the upper half stay.
      EXPECT_TRUE(torch::equal(painted.pasted.slice(2, 0, 16), views.slice(2, 0, 16)));
      EXPECT_EQ(painted.masked.slice(2, 16).abs().max().item<double>(), 0);
      const auto lower = painted.pasted.slice(2, 16);
      EXPECT_FALSE(torch::equal(lower, views.slice(2, 16)));
      EXPECT_TRUE(lower.isfinite().all().item<bool>());
      EXPECT_TRUE(IsClose(vit->UndoInput(vit->Input(views)), views, {.absolute = 1e-5}));
    }
  }
}

// With a mean and a deviation given back, predicting 0 paints each patch in its mean colour.
TEST(Mae, NormalisedPatchesGetTheirOwnMeanBack) {
  EncoderSpec spec = TinySpec("mae");
  Rng rng(3);
  const auto vit = std::dynamic_pointer_cast<VitImpl>(MakeEncoderNet(spec, rng));
  MaeDecoder decoder(MaeDecoderSpec{.in_dim = vit->shape().dim,
                                    .dim = 16,
                                    .depth = 1,
                                    .heads = 2,
                                    .rows = 4,
                                    .cols = 4,
                                    .pixels = 192},
                     rng);
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : decoder->named_parameters()) {
      if (p.key().starts_with("decoder_pred")) p.value().zero_();
    }
  }
  MaskedAutoencoder model(vit, decoder, 0.5, true);
  torch::manual_seed(2);
  const auto views = torch::rand({1, 3, 32, 32});
  const auto noise = torch::arange(16, torch::kFloat).view({1, 16});
  const auto painted = model.Reconstruct(views, noise).pasted;
  const auto last = painted.slice(2, 24).slice(3, 24);
  const double mean = views.slice(2, 24).slice(3, 24).mean().item<double>();
  EXPECT_LT((last - mean).abs().max().item<double>(), 1e-5);
}

// The file's decoder paints what the trained one paints, and the embedding has nothing of it.
TEST(Mae, TheDecoderIsAPartOfTheEncoderFile) {
  const TempFolder folder;
  const ClipSet clips = Squares();
  const auto path = folder / "mae.safetensors";
  const PretrainOptions options =
      With(TinyOptions("mae", 80), "{mask_ratio: 0.5, learning_rate: 0.003, log_every: 20, "
                                   "augment: {preset: none}}");
  std::vector<double> losses;
  Pretrain(options, TinySpec("mae"), clips, path, kCpu,
           {[&](int64_t, const Metrics& row) { losses.push_back(row.at("pretrain/loss")); }});
  const EncoderParts parts = LoadEncoderParts(path);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_THAT(parts.at(kMaePart).spec, HasSubstr("\"mask_ratio\":0.5"));
  auto model = LoadMaskedAutoencoder(path, 0, kCpu);
  const auto views =
      Normalise(TinySpec("mae"), PlainViews(clips, SpreadFrames(clips, 64), TinySpec("mae")));
  torch::manual_seed(3);
  const auto noise = torch::rand({views.size(0), 16});
  const auto result = model.Forward(views, noise);
  EXPECT_EQ(result.removed.sum().item<double>(), 0.5 * 16 * static_cast<double>(views.size(0)));
  EXPECT_NEAR(result.loss.item<double>(), losses.back(), 0.25 * losses.back());
  EXPECT_EQ(
      LoadMaskedAutoencoder(path, 0.75, kCpu).Forward(views, noise).removed.sum().item<double>(),
      0.75 * 16 * static_cast<double>(views.size(0)));
  // A file without: another method's, and one whose decoder belongs to another network.
  const auto other = folder / "tcn.safetensors";
  Pretrain(TinyOptions("tcn"), TinySpec(), clips, other, kCpu);
  EXPECT_TRUE(LoadEncoderParts(other).empty());
  EXPECT_THAT(UserMessage([&] { LoadMaskedAutoencoder(other, 0, kCpu); }),
              AllOf(HasSubstr("tcn.safetensors"), HasSubstr("pretrain=mae")));
  const EncoderFile file = LoadEncoderFile(other);
  SaveEncoder(other, *file.net, {}, {}, parts);
  EXPECT_THAT(UserMessage([&] { LoadMaskedAutoencoder(other, 0, kCpu); }),
              HasSubstr("does not fit"));
  EXPECT_EQ(LoadEncoder(other, kCpu, "float32").Fingerprint(), EncoderFingerprint(*file.net, {}));
}

TEST(Mae, TheLastLayerIsScaledToTheTrainedTokens) {
  TempFolder folder;
  const ClipSet clips = Squares();
  const auto path = folder / "mae.safetensors";
  PretrainOptions options = TinyOptions("mae", 30);
  options.learning_rate = 3e-3;
  Pretrain(options, TinySpec("mae"), clips, path, kCpu);
  std::vector<torch::Tensor> frames;
  for (const auto& clip : clips.clips) frames.push_back(clip.frames);
  const auto z = LoadEncoder(path, kCpu, "float32").Embed(torch::cat(frames));
  EXPECT_LT(z.mean(0).abs().max().item<double>(), 1e-2);
  EXPECT_LT((z.std(0, false) - 1).abs().max().item<double>(), 1e-2);
}

TEST(Mae, RefusesWhatItCannotWorkWith) {
  const auto refusal = [](const std::string& yaml, const EncoderSpec& spec) {
    TempFolder folder;
    return UserMessage(
        [&] { Pretrain(With(TinyOptions("mae"), yaml), spec, Squares(), folder / "e", kCpu); });
  };
  EXPECT_THAT(refusal("", TinySpec()), HasSubstr("vit_micro"));
  EXPECT_THAT(refusal("mask_ratio: 0.97", TinySpec("mae")), HasSubstr("16 patches"));
  EXPECT_THAT(refusal("decoder_heads: 3", TinySpec("mae")), HasSubstr("decoder_heads=3"));
  EXPECT_THAT(refusal("batch_size: 500", TinySpec("mae")), HasSubstr("batch_size=500"));
  EncoderSpec stem = TinySpec("mae");
  stem.stem = "conv";
  stem.patch_size = 16;
  EXPECT_THAT(refusal("", stem), HasSubstr("stem=patch"));
}

}  // namespace
}  // namespace v2r
