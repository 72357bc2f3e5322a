// Nothing grows: many resets, many renderers one after the other, many at once. The whole way takes
// minutes and is walked with V2R_SOAK=1; without it a piece of it.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "envs/gl_context.h"
#include "envs/renderer.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

constexpr double kMebibyte = 1 << 20;

int Times(int whole, int piece) { return std::getenv("V2R_SOAK") != nullptr ? whole : piece; }

// MiB of this process in memory, what the allocator holds back aside.
double Resident() {
  malloc_trim(0);
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / kMebibyte;
}

// How many MiB more are resident after `times` rounds than after a tenth of them.
template <typename Round>
double Growth(int times, const char* what, Round round) {
  double warm = 0;
  for (int i = 0; i < times; ++i) {
    round(i);
    if (i == times / 10) warm = Resident();
  }
  const double end = Resident();
  std::printf("%d %s: %.1f MiB, %.1f MiB at the end\n", times, what, warm, end);
  return end - warm;
}

// Pictures of a model at given angles, and the same again.
class Painter {
 public:
  Painter(const std::string& file, int threads)
      : model_(LoadModel(OwnModel(file))),
        data_(mj_makeData(model_.get())),
        renderer_(model_.get(), {.threads = threads, .height = 64, .width = 64}) {}
  std::vector<uint8_t> Paint(double angle) {
    data_->qpos[0] = angle;
    mj_forward(model_.get(), data_.get());
    std::vector<uint8_t> out(64 * 64 * 3);
    const DrawRequest picture = {data_.get(), out.data()};
    renderer_.Draw({&picture, 1});
    return out;
  }

 private:
  ModelPtr model_;
  DataPtr data_;
  Renderer renderer_;
};

TEST(Soak, ResetsDoNotGrow) {
  // With a goal picture an episode: three pictures a reset.
  constexpr int kEnvs = 20;
  EnvOptions options = Small("v2r/reach_goal", kEnvs, true);
  options.max_episode_steps = 1;
  const auto env = MakeVectorEnv(options);
  env->Reset(1);
  const std::vector<float> actions(kEnvs * env->Spec().act_dim, 0.1f);
  EXPECT_LT(Growth(Times(100000, 4000) / kEnvs, "times 20 resets",
                   [&](int) { ASSERT_EQ(env->Step(actions).truncated[0], 1); }),
            2);
}

// A context of llvmpipe takes some 2 MiB.
TEST(Soak, RenderersDoNotGrow) {
  const auto first = Painter("push.xml", 1).Paint(.1);
  EXPECT_LT(Growth(Times(1000, 60), "renderers",
                   [&](int) { ASSERT_EQ(Painter("push.xml", 1).Paint(.1), first); }),
            8);
}

TEST(Soak, MakingAndFreeingIsNoGlError) {
  const ModelPtr model = LoadModel(OwnModel("push.xml"));
  for (int i = 0; i < Times(1000, 5); ++i) {
    GlContext gl;
    mjrContext context;
    mjr_defaultContext(&context);
    mjr_makeContext(model.get(), &context, mjFONTSCALE_50);
    ASSERT_EQ(mjr_getError(), 0) << i;
    mjr_freeContext(&context);
    ASSERT_EQ(mjr_getError(), 0) << i;
  }
}

TEST(Soak, ManyRenderersAtOnceDrawTheirOwn) {
  constexpr int kRenderers = 24;
  const char* files[] = {"push.xml", "reach.xml", "pose.xml"};
  const auto angle = [](int i, int round) { return .02 * i + .05 * round; };
  const int rounds = Times(200, 5);
  std::vector<std::unique_ptr<Painter>> painters;
  for (int i = 0; i < kRenderers; ++i)
    painters.push_back(std::make_unique<Painter>(files[i % 3], 2));
  std::vector<std::vector<std::vector<uint8_t>>> seen(kRenderers);
  std::vector<std::thread> threads;
  for (int i = 0; i < kRenderers; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round)
        seen[i].push_back(painters[i]->Paint(angle(i, round)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  painters.clear();
  std::unique_ptr<Painter> alone[3];
  for (int f = 0; f < 3; ++f) alone[f] = std::make_unique<Painter>(files[f], 1);
  for (int i = 0; i < kRenderers; ++i) {
    for (int round = 0; round < rounds; ++round)
      ASSERT_EQ(seen[i][round], alone[i % 3]->Paint(angle(i, round))) << i << " " << round;
  }
  EXPECT_NE(seen[0][0], seen[0][rounds - 1]) << "the angle shows";
}

}  // namespace
}  // namespace v2r
