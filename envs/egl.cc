#include "envs/egl.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "envs/versions.h"

namespace v2r {
namespace {

constexpr unsigned kGlRenderer = 0x1F01;  // GL_RENDERER
constexpr const char* kInstall =
    "install a driver (Debian: apt install libegl1 libegl-mesa0 libgl1-mesa-dri; NVIDIA: the "
    "driver's libnvidia-gl package), or set "
    "env.render=false";

template <typename F>
void Load(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) ThrowUser("the EGL library has no {}: {}", name, kInstall);
}

bool NvidiaHost() {
  std::error_code ignored;
  return std::filesystem::exists("/dev/nvidiactl", ignored);
}

bool IsSoftware(const std::string& renderer) {
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "Software"}) {
    if (renderer.find(name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

// The entry points, an initialised display and a config that can draw. Lives until the process
// ends: drivers do not survive being closed and reopened while other threads draw.
struct EglLibrary {
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

  explicit EglLibrary(const std::string& path) {
    setenv("LP_NUM_THREADS", "0", /*overwrite=*/0);
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr)
      ThrowUser("cannot open EGL to draw pictures: {}; {}", dlerror(), kInstall);
    Load(library, "eglGetProcAddress", get_proc_address);
    Load(library, "eglGetDisplay", get_display);
    Load(library, "eglInitialize", initialize);
    Load(library, "eglBindAPI", bind_api);
    Load(library, "eglChooseConfig", choose_config);
    Load(library, "eglCreateContext", create_context);
    Load(library, "eglDestroyContext", destroy_context);
    Load(library, "eglCreatePbufferSurface", create_pbuffer);
    Load(library, "eglDestroySurface", destroy_surface);
    Load(library, "eglMakeCurrent", make_current);
    Load(library, "eglReleaseThread", release_thread);
    Load(library, "eglGetError", get_error);
    for (EGLDisplay candidate : Candidates()) {
      if (candidate != EGL_NO_DISPLAY && Open(candidate)) return;
    }
    ThrowUser("{} opened, but no display of it can draw with OpenGL; {}", path, kInstall);
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

namespace {

const EglLibrary& OpenEgl() {
  static std::mutex mutex;
  static auto* libraries = new std::map<std::string, std::unique_ptr<EglLibrary>>;
  const char* chosen = std::getenv("V2R_EGL_LIBRARY");
  const std::string path = chosen != nullptr && *chosen != '\0' ? chosen : "libEGL.so.1";
  const std::lock_guard lock(mutex);
  auto& library = (*libraries)[path];
  if (library == nullptr) library = std::make_unique<EglLibrary>(path);
  return *library;
}

void SayOnce(const std::string& renderer) {
  static std::once_flag once;
  std::call_once(once, [&] {
    LogInfo("pictures are drawn by {}", renderer);
    if (NvidiaHost() && IsSoftware(renderer)) {
      LogWarn(
          "SOFTWARE RENDERING on a host with an NVIDIA GPU: EGL found no NVIDIA driver (is "
          "libnvidia-gl installed, and "
          "/usr/share/glvnd/egl_vendor.d/10_nvidia.json there?); pictures are drawn by {}",
          renderer);
    }
  });
}

}  // namespace

GlContext::GlContext() : egl_(OpenEgl()) {
  egl_.bind_api(EGL_OPENGL_API);
  context_ = egl_.create_context(egl_.display, egl_.config, EGL_NO_CONTEXT, nullptr);
  if (context_ == nullptr) {
    ThrowUser("EGL gives no OpenGL context (error {:#x}); {}", egl_.get_error(), kInstall);
  }
  if (!egl_.make_current(egl_.display, EGL_NO_SURFACE, EGL_NO_SURFACE, context_)) {
    const EGLint size[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
    surface_ = egl_.create_pbuffer(egl_.display, egl_.config, size);
    if (!egl_.make_current(egl_.display, surface_, surface_, context_)) {
      egl_.destroy_context(egl_.display, context_);
      ThrowUser("EGL cannot make its OpenGL context current (error {:#x}); {}", egl_.get_error(),
                kInstall);
    }
  }
  using GetString = const unsigned char* (*)(unsigned);
  const auto get_string = reinterpret_cast<GetString>(egl_.get_proc_address("glGetString"));
  const unsigned char* name = get_string != nullptr ? get_string(kGlRenderer) : nullptr;
  renderer_ = name != nullptr ? reinterpret_cast<const char*>(name) : "unknown";
  SayOnce(renderer_);
}

GlContext::~GlContext() {
  egl_.make_current(egl_.display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  if (surface_ != nullptr) egl_.destroy_surface(egl_.display, surface_);
  egl_.destroy_context(egl_.display, context_);
  egl_.release_thread();
}

}  // namespace v2r
