#include "models/pixels.h"

#include <gtest/gtest.h>

#include "tests/reward/helpers.h"

namespace v2r {
namespace {

TEST(Pixels, EmbeddingIsTheNormalisedPicture) {
  EncoderSpec spec;
  spec.arch = "pixels";
  spec.embedding_dim = 0;
  spec.input_size = 16;
  Rng rng(1);
  const auto net = MakeEncoderNet(spec, rng);
  EXPECT_TRUE(net->parameters().empty());
  EXPECT_EQ(net->output_dim(), 768);
  const auto frames = torch::randint(0, 256, {5, 16, 16, 3}, torch::kUInt8);
  const auto expected =
      ((frames.to(torch::kFloat) / 255 - 0.5) / 0.5).permute({0, 3, 1, 2}).flatten(1);
  EXPECT_TRUE(torch::allclose(net->forward(Preprocess(spec, frames)), expected, 1e-5, 1e-6));
  const auto encoder = MakeEncoder(net, {}, torch::kCPU, "float32");
  EXPECT_TRUE(torch::allclose(encoder.Embed(frames), expected, 1e-5, 1e-6));
}

TEST(Pixels, HasNoLastLayer) {
  EncoderSpec spec;
  spec.arch = "pixels";
  Rng rng(1);
  EXPECT_THROW(MakeEncoderNet(spec, rng), UserError);
  spec.embedding_dim = 0;
  EXPECT_TRUE(MakeEncoderNet(spec, rng)->last_linear().is_empty());
}

}  // namespace
}  // namespace v2r
