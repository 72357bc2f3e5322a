// OpenGL by Mesa's off-screen library. Its header is in no package that the build needs: what is
// declared here is the interface of OSMesa 6.0 and later (Mesa's include/GL/osmesa.h).
#include <GL/gl.h>

#include <array>

#include "envs/gl_library.h"

namespace v2r {
namespace {

constexpr GLenum kOsmesaRgba = GL_RGBA;
constexpr const char* kInstall = "install it (Debian: apt install libosmesa6)";

struct Osmesa {
  DynamicLibrary library;
  void* (*create_context)(GLenum format, GLint depth, GLint stencil, GLint accum, void* share);
  void (*destroy_context)(void* context);
  GLboolean (*make_current)(void* context, void* buffer, GLenum type, GLsizei width,
                            GLsizei height);
  void* (*get_proc_address)(const char* name);

  Osmesa() : library(EnvironmentOr("V2R_OSMESA_LIBRARY", "libOSMesa.so.8"), kInstall) {
    library.Load("OSMesaCreateContextExt", create_context);
    library.Load("OSMesaDestroyContext", destroy_context);
    library.Load("OSMesaMakeCurrent", make_current);
    library.Load("OSMesaGetProcAddress", get_proc_address);
  }
};

// The window is one pixel: MuJoCo draws into a framebuffer of its own.
class OsmesaBinding : public GlBinding {
 public:
  explicit OsmesaBinding(const Osmesa& mesa) : mesa_(mesa) {
    context_ = mesa_.create_context(kOsmesaRgba, 24, 8, 0, nullptr);
    if (context_ == nullptr) throw GlUnavailable("OSMesa gives no OpenGL context");
    if (!mesa_.make_current(context_, pixel_.data(), GL_UNSIGNED_BYTE, 1, 1)) {
      mesa_.destroy_context(context_);
      throw GlUnavailable("OSMesa cannot make its OpenGL context current");
    }
  }
  ~OsmesaBinding() override {
    mesa_.make_current(nullptr, nullptr, GL_UNSIGNED_BYTE, 0, 0);
    mesa_.destroy_context(context_);
  }

 private:
  const Osmesa& mesa_;
  void* context_ = nullptr;
  std::array<GLubyte, 4> pixel_{};
};

class OsmesaLibrary : public GlLibrary {
 public:
  std::string platform() const override { return "OSMesa"; }
  void* GetProcAddress(const char* name) const override { return mesa_.get_proc_address(name); }
  std::unique_ptr<GlBinding> MakeCurrent() const override {
    return std::make_unique<OsmesaBinding>(mesa_);
  }
  void Publish() const override { mesa_.library.Publish(); }

 private:
  Osmesa mesa_;
};

}  // namespace

std::unique_ptr<GlLibrary> OpenOsmesa() { return std::make_unique<OsmesaLibrary>(); }

}  // namespace v2r
