// OpenGL by EGL: a GPU's driver, or Mesa's.
#include <EGL/egl.h>
#include <EGL/eglext.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "envs/gl_library.h"

namespace v2r {
namespace {

constexpr const char* kInstall =
    "install a driver (Debian: apt install libegl1 libegl-mesa0 libgl1-mesa-dri; NVIDIA: the "
    "driver's libnvidia-gl package), or set "
    "env.render=false";

// The entry points, an initialised display and a config that can draw.
struct Egl {
  DynamicLibrary library;
  EGLDisplay display = EGL_NO_DISPLAY;
  EGLConfig config = nullptr;
  decltype(&eglGetProcAddress) get_proc_address = nullptr;
  decltype(&eglGetDisplay) get_display = nullptr;
  decltype(&eglInitialize) initialize = nullptr;
  decltype(&eglBindAPI) bind_api = nullptr;
  decltype(&eglChooseConfig) choose_config = nullptr;
  decltype(&eglCreateContext) create_context = nullptr;
  decltype(&eglDestroyContext) destroy_context = nullptr;
  decltype(&eglCreatePbufferSurface) create_pbuffer = nullptr;
  decltype(&eglDestroySurface) destroy_surface = nullptr;
  decltype(&eglMakeCurrent) make_current = nullptr;
  decltype(&eglReleaseThread) release_thread = nullptr;
  decltype(&eglGetError) get_error = nullptr;

  Egl() : library(EnvironmentOr("V2R_EGL_LIBRARY", "libEGL.so.1"), kInstall) {
    library.Load("eglGetProcAddress", get_proc_address);
    library.Load("eglGetDisplay", get_display);
    library.Load("eglInitialize", initialize);
    library.Load("eglBindAPI", bind_api);
    library.Load("eglChooseConfig", choose_config);
    library.Load("eglCreateContext", create_context);
    library.Load("eglDestroyContext", destroy_context);
    library.Load("eglCreatePbufferSurface", create_pbuffer);
    library.Load("eglDestroySurface", destroy_surface);
    library.Load("eglMakeCurrent", make_current);
    library.Load("eglReleaseThread", release_thread);
    library.Load("eglGetError", get_error);
    for (EGLDisplay candidate : Candidates()) {
      if (candidate != EGL_NO_DISPLAY && Open(candidate)) return;
    }
    throw GlUnavailable(fmt::format("{} opened, but no display of it can draw with OpenGL; {}",
                                    library.path(), kInstall));
  }

 private:
  // Device displays first (they need no X or Wayland), then the default one.
  std::vector<EGLDisplay> Candidates() const {
    std::vector<EGLDisplay> displays;
    const auto query =
        reinterpret_cast<PFNEGLQUERYDEVICESEXTPROC>(get_proc_address("eglQueryDevicesEXT"));
    const auto platform = reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(
        get_proc_address("eglGetPlatformDisplayEXT"));
    std::array<EGLDeviceEXT, 32> devices{};
    EGLint count = 0;
    if (query != nullptr && platform != nullptr && query(devices.size(), devices.data(), &count)) {
      const char* chosen = std::getenv("MUJOCO_EGL_DEVICE_ID");
      if (chosen != nullptr && *chosen != '\0') {
        char* end = nullptr;
        const long device = std::strtol(chosen, &end, 10);
        if (*end != '\0' || device < 0 || device >= count) {
          ThrowUser("MUJOCO_EGL_DEVICE_ID={}: EGL has {} devices, numbered from 0", chosen, count);
        }
        return {platform(EGL_PLATFORM_DEVICE_EXT, devices[device], nullptr)};
      }
      for (EGLint i = 0; i < count; ++i) {
        displays.push_back(platform(EGL_PLATFORM_DEVICE_EXT, devices[i], nullptr));
      }
    }
    displays.push_back(get_display(EGL_DEFAULT_DISPLAY));
    return displays;
  }

  bool Open(EGLDisplay candidate) {
    EGLint major = 0, minor = 0, count = 0;
    if (!initialize(candidate, &major, &minor) || !bind_api(EGL_OPENGL_API)) return false;
    const EGLint wanted[] = {EGL_SURFACE_TYPE,
                             EGL_PBUFFER_BIT,
                             EGL_RENDERABLE_TYPE,
                             EGL_OPENGL_BIT,
                             EGL_RED_SIZE,
                             8,
                             EGL_GREEN_SIZE,
                             8,
                             EGL_BLUE_SIZE,
                             8,
                             EGL_NONE};
    if (!choose_config(candidate, wanted, &config, 1, &count) || count == 0) return false;
    display = candidate;
    return true;
  }
};

class EglBinding : public GlBinding {
 public:
  explicit EglBinding(const Egl& egl) : egl_(egl) {
    egl_.bind_api(EGL_OPENGL_API);
    context_ = egl_.create_context(egl_.display, egl_.config, EGL_NO_CONTEXT, nullptr);
    if (context_ == nullptr) Fail("EGL gives no OpenGL context");
    if (egl_.make_current(egl_.display, EGL_NO_SURFACE, EGL_NO_SURFACE, context_)) return;
    const EGLint size[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
    surface_ = egl_.create_pbuffer(egl_.display, egl_.config, size);
    if (egl_.make_current(egl_.display, surface_, surface_, context_)) return;
    egl_.destroy_context(egl_.display, context_);
    Fail("EGL cannot make its OpenGL context current");
  }
  ~EglBinding() override {
    egl_.make_current(egl_.display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
    if (surface_ != nullptr) egl_.destroy_surface(egl_.display, surface_);
    egl_.destroy_context(egl_.display, context_);
    egl_.release_thread();
  }

 private:
  [[noreturn]] void Fail(const char* what) const {
    throw GlUnavailable(fmt::format("{} (error {:#x}); {}", what, egl_.get_error(), kInstall));
  }
  const Egl& egl_;
  void* context_ = nullptr;
  void* surface_ = nullptr;
};

class EglLibrary : public GlLibrary {
 public:
  std::string platform() const override { return "EGL"; }
  void* GetProcAddress(const char* name) const override {
    return reinterpret_cast<void*>(egl_.get_proc_address(name));
  }
  std::unique_ptr<GlBinding> MakeCurrent() const override {
    return std::make_unique<EglBinding>(egl_);
  }
  void Publish() const override { egl_.library.Publish(); }

 private:
  Egl egl_;
};

}  // namespace

std::unique_ptr<GlLibrary> OpenEgl() { return std::make_unique<EglLibrary>(); }

}  // namespace v2r
