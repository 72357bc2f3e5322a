// OpenGL without a screen: EGL or OSMesa opened at run time, one of them a process, one context a
// render thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace v2r {

// Who draws.
struct GlDriver {
  std::string platform;                   // "EGL" or "OSMesa"
  std::string vendor, renderer, version;  // GL_VENDOR, GL_RENDERER, GL_VERSION; "unknown" if none
  bool software = false;                  // by the processor
};

// A GL context that is current on the thread that made it until it is destroyed on that thread.
//
// The first one chooses the platform for the process: MuJoCo loads its GL functions once. That is
// what $MUJOCO_GL says (egl, osmesa); where it is empty or unset EGL, and where EGL cannot be had
// OSMesa, with a warning that says why. A choice of OSMesa is written to $MUJOCO_GL, which
// MuJoCo's loader reads.
//   EGL: the library is $V2R_EGL_LIBRARY, else libEGL.so.1; the display is the first that can draw
//     of the devices in EGL's order ($MUJOCO_EGL_DEVICE_ID picks one), else the default display.
//   OSMesa: the library is $V2R_OSMESA_LIBRARY, else libOSMesa.so.8.
// Before that LP_NUM_THREADS is set to 0 unless the user set it: Mesa's software driver is fastest
// when each of our render threads draws for itself.
class GlContext {
 public:
  // UserError: $MUJOCO_GL is another word, or other than what the process draws with; there is no
  // such device; neither platform can draw (why not, and what to install).
  GlContext();
  ~GlContext();
  GlContext(const GlContext&) = delete;
  GlContext& operator=(const GlContext&) = delete;

  // Logged once a process; software beside a GPU is a warning.
  const GlDriver& driver() const { return driver_; }
  // GL_RENDERER, e.g. "llvmpipe (LLVM 15.0.6, 256 bits)".
  const std::string& renderer() const { return driver_.renderer; }

 private:
  std::unique_ptr<struct GlBinding> binding_;
  GlDriver driver_;
};

// Maker of a GPU of this machine that could draw ("NVIDIA", "AMD", "Intel"), "" where there is
// none: /dev/nvidiactl, or a render node /dev/dri/renderD* whose vendor is one of them. `root`
// stands for /.
std::string GpuMaker(const std::filesystem::path& root = "/");

// What is wrong with drawing by `driver` on a machine with a GPU by `maker`, and what to look at;
// "" if nothing.
std::string SoftwareBesideGpu(const GlDriver& driver, const std::string& maker);

}  // namespace v2r
