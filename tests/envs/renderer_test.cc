// Pictures of given states, and drivers that hang.
#include "envs/renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/error.h"
#include "envs/tessellation.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

using testing::HasSubstr;

TEST(Renderer, PictureFollowsTheStateNotTheOrder) {
  const ModelPtr model = LoadModel(OwnModel("push.xml"));
  const DataPtr a(mj_makeData(model.get())), b(mj_makeData(model.get()));
  a->qpos[2] = 0.1;
  mj_forward(model.get(), a.get());
  mj_forward(model.get(), b.get());
  Renderer renderer(model.get(), {.threads = 2, .height = 24, .width = 40});
  const size_t bytes = 24 * 40 * 3;
  std::vector<uint8_t> out(4 * bytes);
  SceneLook dim;
  dim.floor = .5f;
  const std::vector<DrawRequest> pictures = {{a.get(), &out[0]},
                                             {b.get(), &out[bytes]},
                                             {a.get(), &out[2 * bytes]},
                                             {b.get(), &out[3 * bytes], &dim}};
  renderer.Draw(std::span(pictures).first(2));
  renderer.Draw(std::span(pictures).last(2));
  const auto picture = [&](int i) {
    return std::vector<uint8_t>(out.begin() + i * bytes, out.begin() + (i + 1) * bytes);
  };
  EXPECT_EQ(picture(0), picture(2));
  EXPECT_NE(picture(0), picture(1));
  EXPECT_NEAR(picture(3)[0], .5 * picture(1)[0], 1) << "the floor in the corner";
}

TEST(Tessellate, FollowsThePictureUpToWhatTheModelOrMujocoSays) {
  struct Row {
    int slices, stacks, pixels, want_slices, want_stacks;
  };
  const Row rows[] = {{28, 16, 64, 16, 8},    {28, 16, 32, 16, 8},    {28, 16, 128, 24, 12},
                      {28, 16, 224, 28, 16},  {28, 16, 1024, 28, 16}, {12, 2, 64, 12, 2},
                      {12, 2, 128, 20, 4},    {12, 2, 1024, 28, 8},   {50, 40, 64, 16, 8},
                      {50, 40, 1024, 50, 32}, {5, 3, 64, 8, 4},       {3, 1, 16, 4, 2}};
  for (const Row& row : rows) {
    mjModel model{};
    model.vis.quality.numslices = row.slices;
    model.vis.quality.numstacks = row.stacks;
    model.vis.quality.numquads = 4;
    Tessellate(model, row.pixels);
    EXPECT_EQ(model.vis.quality.numslices, row.want_slices) << row.slices << " " << row.pixels;
    EXPECT_EQ(model.vis.quality.numstacks, row.want_stacks) << row.stacks << " " << row.pixels;
    EXPECT_EQ(model.vis.quality.numquads, 4);
  }
}

class Sleeper : public Worker {
 public:
  void Do(int64_t item, const std::atomic<bool>&) override {
    if (item == 1) std::this_thread::sleep_for(std::chrono::milliseconds(600));
  }
};

TEST(WorkerPool, HungThreadIsNamedInsteadOfWaitedFor) {
  WorkerPool pool(2, "test threads", 0.1, [](int) { return std::make_unique<Sleeper>(); });
  pool.Run(1);
  try {
    pool.Run(4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("test threads"), HasSubstr("hangs")));
  }
  EXPECT_THROW(pool.Run(1), Error);
}

class Counter : public Worker {
 public:
  explicit Counter(std::vector<std::atomic<int>>& done) : done_(done) {}
  void Do(int64_t item, const std::atomic<bool>&) override {
    if (item == 100) throw UserError("item 100 is bad");
    ++done_[item];
  }

 private:
  std::vector<std::atomic<int>>& done_;
};

TEST(WorkerPool, EveryItemOnceAndExceptionsSurface) {
  std::vector<std::atomic<int>> done(101);
  WorkerPool pool(3, "test threads", 10, [&](int) { return std::make_unique<Counter>(done); });
  for (int run = 1; run <= 20; ++run) {
    pool.Run(100);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(done[i], run);
  }
  EXPECT_THROW(pool.Run(101), UserError);
  EXPECT_NO_THROW(pool.Run(3));
}

TEST(WorkerPool, FailureToStartSurfaces) {
  EXPECT_THROW(WorkerPool(2, "test threads", 10,
                          [](int i) -> std::unique_ptr<Worker> {
                            if (i == 1) throw UserError("no second one");
                            return std::make_unique<Sleeper>();
                          }),
               UserError);
}

}  // namespace
}  // namespace v2r
