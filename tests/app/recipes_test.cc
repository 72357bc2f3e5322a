// Every pretraining config composes into a run's options, and the published recipes build with the
// encoder that they name: whoever has the data can start them.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/load.h"
#include "app/options.h"
#include "core/files.h"
#include "models/init.h"
#include "pretrain/registry.h"
#include "pretrain/setup.h"

namespace v2r {
namespace {

PretrainCommandOptions Resolve(const std::vector<std::string>& words) {
  return LoadOptions<PretrainCommandOptions>("pretrain", ExpandShorthands(words));
}

TEST(Recipes, EveryPretrainingConfigResolves) {
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(HomeDirectory() / "configs" / "pretrain")) {
    const std::string name = entry.path().stem().string();
    SCOPED_TRACE(name);
    const PretrainOptions options = Resolve({"pretrain=" + name}).pretrain;
    CheckOptions(options);
    names.insert(name);
  }
  EXPECT_GE(names.size(), 30u);
}

struct Recipe {
  std::vector<std::string> words;
  double rate = 0;  // learning_rate at which batch, as published
  int64_t batch = 0;
};

TEST(Recipes, PublishedOnesBuildWithTheirEncoder) {
  const std::vector<Recipe> recipes = {
      {{"pretrain=simclr_cifar", "encoder=resnet18_cifar", "encoder.mean=[0,0,0]",
        "encoder.std=[1,1,1]"},
       1.0 * 512 / 256,
       512},
      {{"pretrain=simclr_cifar_solo", "encoder=resnet18_cifar"}, 0.4, 256},
      {{"pretrain=mocov3_cifar_solo", "encoder=resnet18_cifar"}, 0.3, 256},
      {{"pretrain=moco_cifar", "encoder=resnet18_cifar"}, 0.06, 512},
      {{"pretrain=simclr_v2", "encoder=resnet50_sk"}, 0.1 * 64, 4096},
      {{"pretrain=mocov3_r50", "encoder=resnet50", "encoder.embedding_dim=0"}, 9.6, 4096},
      {{"pretrain=mocov3_vit_small", "encoder=vit_small", "encoder.heads=12",
        "encoder.positions=sincos_mocov3"},
       1.5e-4 * 4096 / 256,
       4096},
      {{"pretrain=dino_vit_small", "encoder=vit_small", "encoder.drop_path=0.1"}, 1e-3, 512},
      {{"pretrain=mae_vit_base", "encoder=vit_base", "encoder.positions=sincos"},
       1.5e-4 * 4096 / 256,
       4096}};
  for (const Recipe& recipe : recipes) {
    SCOPED_TRACE(recipe.words[0]);
    const PretrainCommandOptions options = Resolve(recipe.words);
    EXPECT_DOUBLE_EQ(options.pretrain.learning_rate, recipe.rate);
    EXPECT_EQ(options.pretrain.batch_size, recipe.batch);
    Rng rng(1);
    const EncoderNet net = BlankEncoderNet(options.encoder.spec);
    const auto method = PretrainMethods().Make(options.pretrain.method, options.pretrain, net, rng);
    EXPECT_NE(MakeOptimizer(options.pretrain, method->Parameters()), nullptr);
    // Nothing is to be rescaled that these encoders do not have.
    EXPECT_TRUE(!options.pretrain.data_dependent_init || net->last_linear());
  }
}

}  // namespace
}  // namespace v2r
