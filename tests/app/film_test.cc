// Films against the pictures that the reward sees, and what a film keeps of an episode.
#include "app/demos.h"
#include "app/episodes.h"
#include "app/probe.h"
#include "app/setup.h"
#include "envs/make.h"
#include "pretrain/trainer.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

class FilmTest : public MiniRun {
 protected:
  // The gap of a network that `method` trained for a few steps on a few films.
  double Gap(const std::string& name, const std::vector<std::string>& more) {
    const TrainOptions options = Mini(name, more);
    FilmDemos(options.env, options.demos, root_ / name);
    const ClipSet clips = LoadDemos(root_ / name, options.encoder.spec);
    Pretrain(options.pretrain, options.encoder.spec, clips, root_ / "encoder.safetensors",
             torch::kCPU);
    const auto encoder = std::make_shared<Encoder>(
        LoadEncoder(root_ / "encoder.safetensors", torch::kCPU, options.reward.dtype));
    return MeasureFilmGap(options, *encoder, MakeDistance("encoder", encoder), root_ / "gap");
  }
};

const std::vector<std::string> kReal = {"env.max_episode_steps=50", "demos.good=8",
                                        "demos.random=4", "demos.frame_size=0"};

std::vector<std::string> With(std::vector<std::string> words) {
  words.insert(words.end(), kReal.begin(), kReal.end());
  return words;
}

TEST_F(FilmTest, AFilmAndARenderingLookTheSameToTheEncoder) {
  for (const char* method : {"ranking", "tcn", "tdist", "simclr_temporal"}) {
    EXPECT_LT(Gap(method, With({std::string("pretrain=") + method, "pretrain.iterations=60",
                                "pretrain.batch_size=32", "pretrain.labels=[good]"})),
              0.1)
        << method;
  }
}

// Not quite nothing: edges are rasterised on a finer grid.
TEST_F(FilmTest, WithoutACodecNextToNothingIsLeftOfTheGap) {
  for (const char* drawn : {"env.supersample=1", "env.supersample=2"}) {
    EXPECT_LT(Gap(drawn, With({"pretrain=ranking", "demos.format=mkv", drawn})), 0.03) << drawn;
  }
}

TEST_F(FilmTest, AnEvenMultipleOpensTheGap) {
  const double odd = Gap("odd", With({"pretrain=ranking", "demos.format=mkv"}));
  auto words = With({"pretrain=ranking", "demos.format=mkv"});
  words.push_back("demos.frame_size=256");
  EXPECT_GT(Gap("even", words), odd + 0.1) << "the measure sees nothing";
}

TEST_F(FilmTest, CutKeepsTheSuccessThatLasts) {
  const auto made = [](std::vector<uint8_t> successes) {
    Episode episode;
    episode.successes = std::move(successes);
    episode.rewards.assign(episode.successes.size(), -1.0);
    episode.frames.resize(episode.successes.size() + 1);
    return episode;
  };
  Episode episode = made({0, 1, 0, 1, 1, 1, 1});
  episode.Cut(2);
  EXPECT_EQ(episode.successes, (std::vector<uint8_t>{0, 1, 0, 1, 1, 1}));
  EXPECT_EQ(episode.frames.size(), 7u);
  EXPECT_EQ(episode.Return(), -6);
  episode.Cut(0);
  EXPECT_EQ(episode.successes.size(), 4u);
  EXPECT_TRUE(episode.success());
  episode.Cut(-1);
  EXPECT_EQ(episode.successes.size(), 4u);
  Episode failed = made({1, 1, 0});
  failed.Cut(1);
  EXPECT_EQ(failed.successes.size(), 3u);
}

TEST_F(FilmTest, TheAutomaticSizeIsAnEvenOddMultiple) {
  DemoOptions demos;
  for (const int64_t size : {32, 64, 84, 96, 112, 128}) {
    EnvOptions env;
    env.frame_size = size;
    const EnvOptions film = FilmOptions(env, demos, 1);
    EXPECT_GE(film.frame_size, 400) << size;
    EXPECT_EQ(film.frame_size % 2, 0) << size;
    EXPECT_EQ(FilmedRender(env, film).size, size);
    env.samples = 4;
    EXPECT_EQ(FilmedRender(env, film).size, 0) << "multisampling reads other points";
  }
  demos.frame_size = 255;
  EXPECT_THROW(FilmOptions({}, demos, 1), UserError);
}

}  // namespace
}  // namespace v2r
