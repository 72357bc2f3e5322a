// Which OpenGL draws. A process chooses once, so most of these run in processes of their own.
#include "envs/gl_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "core/files.h"
#include "core/log.h"
#include "envs/gl_report.h"
#include "envs/make.h"
#include "envs/renderer.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

constexpr int kUserError = 3, kHung = 4;

// In this process and for good: the first pictures of each of our tasks, written to `path`.
[[noreturn]] void Draw(const Variables& variables, const std::filesystem::path& path) {
  InitLog();  // to stderr
  for (const char* name : {"MUJOCO_GL", "V2R_EGL_LIBRARY", "V2R_OSMESA_LIBRARY"}) unsetenv(name);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  try {
    std::ofstream file(path, std::ios::binary);
    for (const std::string& id : EnvNames()) {
      if (!IsOwn(id)) continue;
      EnvOptions options = Small(id, 2, true);
      options.frame_size = 64;
      const Seen seen = Roll(*MakeVectorEnv(options), 1, 3).back();
      file.write(reinterpret_cast<const char*>(seen.frame.data()),
                 static_cast<std::streamsize>(seen.frame.size()));
    }
    std::cerr << "platform: " << GlContext().driver().platform << "\n";
  } catch (const UserError& error) {
    std::cerr << error.what() << "\n";
    std::exit(kUserError);
  }
  std::exit(0);
}

std::vector<uint8_t> Pixels(const std::filesystem::path& path) {
  const std::string bytes = ReadFile(path);
  return {bytes.begin(), bytes.end()};
}

std::filesystem::path Scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / fmt::format("{}-{}", name, getpid());
}

// A driver that hangs in its `picture`-th picture, 0 = before the first context.
[[noreturn]] void Hang(const char* picture) {
  setenv("MUJOCO_GL", "osmesa", 1);
  setenv("HANGING_GL_PICTURE", picture, 1);
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  setenv("V2R_OSMESA_LIBRARY", (here / "libv2r_hanging_gl.so").c_str(), 1);
  const ModelPtr model = LoadModel(OwnModel("reach.xml"));
  const DataPtr data(mj_makeData(model.get()));
  mj_forward(model.get(), data.get());
  std::vector<uint8_t> out(32 * 32 * 3);
  const DrawRequest one = {data.get(), out.data()};
  int drawn = 0;
  try {
    Renderer renderer(model.get(), {.height = 32, .width = 32, .patience = .3});
    while (drawn < 5) {
      renderer.Draw({&one, 1});
      ++drawn;
    }
  } catch (const Error& error) {
    std::cerr << "after " << drawn << ": " << error.what() << "\n";
  }
  std::_Exit(drawn < 5 ? kHung : 0);
}

class GlPlatform : public testing::Test {
 protected:
  GlPlatform() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    // Known to the processes that this one starts.
    setenv("GL_PLATFORM_FOLDER", Scratch("gl_platform").c_str(), /*overwrite=*/0);
    folder_ = std::getenv("GL_PLATFORM_FOLDER");
    std::filesystem::create_directories(folder_);
  }
  ~GlPlatform() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  const Variables no_egl_ = {{"V2R_EGL_LIBRARY", "libNoSuchEgl.so.1"}};
};

TEST_F(GlPlatform, EglAndOsmesaDrawTheSame) {
  const auto egl = folder_ / "egl", chosen = folder_ / "chosen", second = folder_ / "second";
  EXPECT_EXIT(Draw({{"MUJOCO_GL", "egl"}}, egl), ExitedWithCode(0), "platform: EGL");
  EXPECT_EXIT(Draw({{"MUJOCO_GL", "osmesa"}}, chosen), ExitedWithCode(0),
              AllOf(HasSubstr("platform: OSMesa"), testing::Not(HasSubstr("NO EGL"))));
  EXPECT_EXIT(Draw(no_egl_, second), ExitedWithCode(0),
              AllOf(HasSubstr("platform: OSMesa"), HasSubstr("NO EGL"),
                    HasSubstr("libNoSuchEgl.so.1"), HasSubstr("apt install libegl1")));
  ASSERT_FALSE(Pixels(egl).empty());
  EXPECT_EQ(Pixels(chosen), Pixels(second));
  // Equal where EGL is Mesa of the same version; a GPU rounds at edges in its own way.
  EXPECT_LT(Rmse(Pixels(egl), Pixels(chosen)), GlContext().driver().software ? .5 : 8);
}

TEST_F(GlPlatform, ALibraryThatIsNotEglIsNoReasonToFail) {
  EXPECT_EXIT(Draw({{"V2R_EGL_LIBRARY", "libm.so.6"}}, folder_ / "unused"), ExitedWithCode(0),
              AllOf(HasSubstr("platform: OSMesa"), HasSubstr("libm.so.6 has no egl")));
}

TEST_F(GlPlatform, TheChosenOneIsNotReplaced) {
  Variables egl = no_egl_;
  egl["MUJOCO_GL"] = "egl";
  EXPECT_EXIT(Draw(egl, folder_ / "unused"), ExitedWithCode(kUserError),
              AllOf(HasSubstr("libNoSuchEgl.so.1"), HasSubstr("apt install libegl1")));
  EXPECT_EXIT(Draw({{"MUJOCO_GL", "osmesa"}, {"V2R_OSMESA_LIBRARY", "libNoSuchMesa.so.8"}},
                   folder_ / "unused"),
              ExitedWithCode(kUserError),
              AllOf(HasSubstr("libNoSuchMesa.so.8"), HasSubstr("apt install libosmesa6")));
}

TEST_F(GlPlatform, WhereThereIsNeitherBothReasonsAreSaid) {
  Variables none = no_egl_;
  none["V2R_OSMESA_LIBRARY"] = "libNoSuchMesa.so.8";
  EXPECT_EXIT(Draw(none, folder_ / "unused"), ExitedWithCode(kUserError),
              AllOf(HasSubstr("libNoSuchEgl.so.1"), HasSubstr("libNoSuchMesa.so.8")));
}

TEST_F(GlPlatform, MistakesAreNotFallenBackFrom) {
  EXPECT_EXIT(Draw({{"MUJOCO_GL", "osmsa"}}, folder_ / "unused"), ExitedWithCode(kUserError),
              "did you mean 'osmesa'");
  EXPECT_EXIT(Draw({{"MUJOCO_GL", "glfw"}}, folder_ / "unused"), ExitedWithCode(kUserError),
              "without a screen");
  EXPECT_EXIT(Draw({{"MUJOCO_EGL_DEVICE_ID", "99"}}, folder_ / "unused"),
              ExitedWithCode(kUserError), "numbered from 0");
}

TEST_F(GlPlatform, ADriverThatHangsIsNamed) {
  EXPECT_EXIT(Hang("0"), ExitedWithCode(kHung),
              AllOf(HasSubstr("after 0"), HasSubstr("while starting; the driver hangs")));
  // Each thread draws one picture before the first that is asked for.
  EXPECT_EXIT(Hang("4"), ExitedWithCode(kHung),
              AllOf(HasSubstr("after 2"), HasSubstr("render threads"), HasSubstr("driver hangs")));
}

TEST_F(GlPlatform, WithoutPicturesNoneIsNeeded) {
  const auto blind = [] {
    setenv("V2R_EGL_LIBRARY", "libNoSuchEgl.so.1", 1);
    setenv("MUJOCO_GL", "egl", 1);
    MakeVectorEnv(Small("v2r/reach", 2, false))->Reset(1);
    std::exit(0);
  };
  EXPECT_EXIT(blind(), ExitedWithCode(0), "");
}

TEST(GlContext, TellsWhoDraws) {
  const GlDriver driver = GlContext().driver();
  for (const std::string& word : {driver.vendor, driver.renderer, driver.version}) {
    EXPECT_FALSE(word.empty());
    EXPECT_NE(word, "unknown");
  }
  EXPECT_STREQ(std::getenv("LP_NUM_THREADS"), "0");
}

TEST(GlContext, APlatformCannotChangeWithinAProcess) {
  const std::string now = GlContext().driver().platform;
  const char* before = std::getenv("MUJOCO_GL");
  const std::string kept = before != nullptr ? before : "";
  setenv("MUJOCO_GL", now == "EGL" ? "osmesa" : "egl", 1);
  EXPECT_THROW(GlContext(), UserError);
  setenv("MUJOCO_GL", kept.c_str(), 1);
  EXPECT_EQ(GlContext().driver().platform, now);
}

TEST(GpuMaker, IsOneThatCanDraw) {
  const auto root = Scratch("gpu_root");
  const auto put = [&](const std::filesystem::path& path, const char* text) {
    std::filesystem::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  };
  EXPECT_EQ(GpuMaker(root), "");
  put("sys/class/drm/renderD128/device/vendor", "0x1002\n");
  EXPECT_EQ(GpuMaker(root), "") << "the host's, not handed to this container";
  put("dev/dri/renderD128", "");
  EXPECT_EQ(GpuMaker(root), "AMD");
  put("sys/class/drm/renderD128/device/vendor", "0x1af4\n");
  EXPECT_EQ(GpuMaker(root), "") << "a virtual machine's picture output";
  put("dev/nvidiactl", "");
  EXPECT_EQ(GpuMaker(root), "NVIDIA");
  std::filesystem::remove_all(root);
}

TEST(SoftwareBesideGpu, IsSaid) {
  const GlDriver mesa = {"EGL", "Mesa", "llvmpipe (LLVM 15.0.6, 256 bits)", "4.5", true};
  const GlDriver gpu = {"EGL", "NVIDIA Corporation", "NVIDIA H100/PCIe/SSE2", "4.6", false};
  const GlDriver osmesa = {"OSMesa", "Mesa", "llvmpipe (LLVM 15.0.6, 256 bits)", "4.5", true};
  EXPECT_EQ(SoftwareBesideGpu(mesa, ""), "");
  EXPECT_EQ(SoftwareBesideGpu(gpu, "NVIDIA"), "");
  EXPECT_THAT(SoftwareBesideGpu(mesa, "NVIDIA"),
              AllOf(HasSubstr("NVIDIA GPU"), HasSubstr("libnvidia-gl"), HasSubstr("llvmpipe")));
  EXPECT_THAT(SoftwareBesideGpu(mesa, "AMD"), HasSubstr("/dev/dri"));
  EXPECT_THAT(SoftwareBesideGpu(osmesa, "AMD"), HasSubstr("OSMesa"));
}

TEST(GlReport, NamesTheDriverAndFailsOnSoftwareBesideAGpu) {
  const GlDriver mesa = {"EGL", "Mesa", "llvmpipe (LLVM 15.0.6, 256 bits)", "4.5", true};
  EXPECT_EQ(DrawnBy(mesa, "", false),
            "llvmpipe (LLVM 15.0.6, 256 bits) by Mesa, OpenGL 4.5, through EGL");
  EXPECT_THROW(DrawnBy(mesa, "NVIDIA", false), UserError);
  EXPECT_THAT(DrawnBy(mesa, "NVIDIA", true), HasSubstr("allowed: SOFTWARE RENDERING"));
}

TEST(GlReport, MeasuresEverySizeWithEveryNumberOfContexts) {
  const GlDriver gpu = {"EGL", "NVIDIA Corporation", "NVIDIA H100/PCIe/SSE2", "4.6", false};
  EXPECT_THAT(ContextsToTry(gpu, 2), testing::ElementsAre(1, 2, 4, 8, 16));
  GlDriver mesa = gpu;
  mesa.software = true;
  EXPECT_THAT(ContextsToTry(mesa, 6), testing::ElementsAre(1, 6));
  EXPECT_THAT(ContextsToTry(mesa, 1), testing::ElementsAre(1));
  const auto speeds = MeasureGl({1, 3}, .01);
  ASSERT_EQ(speeds.size(), 6u);
  for (const GlSpeed& speed : speeds) EXPECT_GT(speed.pictures_per_second, 1);
  const std::string table = GlSpeedTable({{64, 1, 1000}, {64, 16, 2000.4}, {224, 1, 30}});
  EXPECT_EQ(table,
            "pictures/s      1 contexts   16 contexts\n"
            "64 px                 1000          2000\n"
            "224 px                  30              ");
}

}  // namespace
}  // namespace v2r
