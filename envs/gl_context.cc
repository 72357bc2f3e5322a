#include "envs/gl_context.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "envs/gl_library.h"
#include "envs/versions.h"

namespace v2r {
namespace {

constexpr unsigned kGlVendor = 0x1F00, kGlRenderer = 0x1F01, kGlVersion = 0x1F02;

// Opens it and draws nothing: a library that opens may still give no context.
std::unique_ptr<GlLibrary> Working(std::unique_ptr<GlLibrary> library) {
  library->MakeCurrent();
  return library;
}

std::unique_ptr<GlLibrary> Choose(const std::string& wanted) {
  if (wanted == "egl") return Working(OpenEgl());
  if (wanted == "osmesa") return Working(OpenOsmesa());
  std::string reason;
  try {
    return Working(OpenEgl());
  } catch (const GlUnavailable& error) {
    reason = error.what();
  }
  try {
    auto library = Working(OpenOsmesa());
    LogWarn(
        "NO EGL, pictures are drawn by OSMesa instead, on the processor: {} (MUJOCO_GL=osmesa "
        "chooses it without this warning)",
        reason);
    return library;
  } catch (const GlUnavailable& error) {
    throw GlUnavailable(fmt::format("{}; nor is there OSMesa: {}", reason, error.what()));
  }
}

const GlLibrary& Library() {
  static std::mutex mutex;
  static GlLibrary* library = nullptr;
  const std::lock_guard lock(mutex);
  const std::string wanted = EnvironmentOr("MUJOCO_GL", "");
  const std::vector<std::string> known = {"egl", "osmesa"};
  if (!wanted.empty() && wanted != known[0] && wanted != known[1]) {
    ThrowUser("MUJOCO_GL={}: pictures are drawn without a screen, by egl or osmesa{}", wanted,
              DidYouMean(wanted, known));
  }
  if (library == nullptr) {
    setenv("LP_NUM_THREADS", "0", /*overwrite=*/0);
    auto chosen = Choose(wanted);
    chosen->Publish();
    // Something else in this process may have published EGL, which MuJoCo would look for first.
    if (chosen->platform() == "OSMesa") setenv("MUJOCO_GL", "osmesa", /*overwrite=*/1);
    library = chosen.release();
  }
  if (!wanted.empty() && (wanted == "osmesa") != (library->platform() == "OSMesa")) {
    ThrowUser("MUJOCO_GL={}, but this process draws with {} already and MuJoCo loads OpenGL once",
              wanted, library->platform());
  }
  return *library;
}

bool IsSoftware(const std::string& renderer) {
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "Software"}) {
    if (renderer.find(name) != std::string::npos) return true;
  }
  return false;
}

void SayOnce(const GlDriver& driver) {
  static std::once_flag once;
  std::call_once(once, [&] {
    LogInfo("pictures are drawn by {} ({})", driver.renderer, driver.platform);
    const std::string complaint = SoftwareBesideGpu(driver, GpuMaker());
    if (!complaint.empty()) LogWarn("{}", complaint);
  });
}

}  // namespace

std::string EnvironmentOr(const char* variable, const std::string& fallback) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : fallback;
}

DynamicLibrary::DynamicLibrary(const std::string& path, const std::string& install)
    : path_(path), install_(install), handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr)
    throw GlUnavailable(fmt::format("cannot open {}: {}; {}", path, dlerror(), install));
}

void* DynamicLibrary::Symbol(const char* name) const {
  void* symbol = dlsym(handle_, name);
  if (symbol == nullptr)
    throw GlUnavailable(fmt::format("{} has no {}; {}", path_, name, install_));
  return symbol;
}

void DynamicLibrary::Publish() const { dlopen(path_.c_str(), RTLD_NOW | RTLD_GLOBAL); }

GlContext::GlContext() {
  const GlLibrary& library = Library();
  binding_ = library.MakeCurrent();
  using GetString = const unsigned char* (*)(unsigned);
  const auto get_string = reinterpret_cast<GetString>(library.GetProcAddress("glGetString"));
  const auto text = [&](unsigned name) -> std::string {
    const unsigned char* value = get_string != nullptr ? get_string(name) : nullptr;
    return value != nullptr ? reinterpret_cast<const char*>(value) : "unknown";
  };
  driver_ = {library.platform(), text(kGlVendor), text(kGlRenderer), text(kGlVersion)};
  driver_.software = IsSoftware(driver_.renderer);
  SayOnce(driver_);
}

GlContext::~GlContext() = default;

std::string GpuMaker(const std::filesystem::path& root) {
  std::error_code ignored;
  if (std::filesystem::exists(root / "dev/nvidiactl", ignored)) return "NVIDIA";
  const std::map<std::string, std::string> makers = {
      {"0x10de", "NVIDIA"}, {"0x1002", "AMD"}, {"0x8086", "Intel"}};
  for (const auto& node : std::filesystem::directory_iterator(root / "dev/dri", ignored)) {
    const std::string name = node.path().filename().string();
    if (!name.starts_with("renderD")) continue;
    std::string vendor;
    std::ifstream(root / "sys/class/drm" / name / "device/vendor") >> vendor;
    if (const auto found = makers.find(vendor); found != makers.end()) return found->second;
  }
  return "";
}

std::string SoftwareBesideGpu(const GlDriver& driver, const std::string& maker) {
  if (!driver.software || maker.empty()) return "";
  const std::string cause =
      driver.platform == "OSMesa" ? "OSMesa draws on the processor only"
      : maker == "NVIDIA"
          ? "EGL found no NVIDIA driver (is libnvidia-gl installed, and "
            "/usr/share/glvnd/egl_vendor.d/10_nvidia.json there?)"
          : "EGL could not use /dev/dri/renderD* (may this user read and write it?)";
  return fmt::format("SOFTWARE RENDERING beside an {} GPU: {}; pictures are drawn by {}", maker,
                     cause, driver.renderer);
}

std::string GlRenderer() { return GlContext().renderer(); }

}  // namespace v2r
