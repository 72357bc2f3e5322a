// OpenGL without a screen: EGL opened at run time, one display a process, one context a render
// thread.
#pragma once

#include <string>

namespace v2r {

// A GL context that is current on the thread that made it until it is destroyed on that thread.
//
// The first one opens the library ($V2R_EGL_LIBRARY, else libEGL.so.1) and a display: the devices
// in EGL's order ($MUJOCO_EGL_DEVICE_ID picks one), else the default display. Before that
// LP_NUM_THREADS is set to 0 unless the user set it: Mesa's software driver is fastest when each of
// our render threads draws for itself.
class GlContext {
 public:
  // UserError saying what to install when there is no EGL or no display that can draw.
  GlContext();
  ~GlContext();
  GlContext(const GlContext&) = delete;
  GlContext& operator=(const GlContext&) = delete;

  // GL_RENDERER, e.g. "llvmpipe (LLVM 15.0.6, 256 bits)". Logged once a process; software on a host
  // with an NVIDIA GPU is a warning.
  const std::string& renderer() const { return renderer_; }

 private:
  const struct EglLibrary& egl_;
  void* context_ = nullptr;
  void* surface_ = nullptr;
  std::string renderer_;
};

}  // namespace v2r
