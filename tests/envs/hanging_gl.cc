// OSMesa with a driver that hangs: every call goes to libOSMesa.so.8 but, from the
// $HANGING_GL_PICTURE-th read-back of a process on, glReadPixels, which never returns; with 0 no
// context is ever made.
#include <GL/gl.h>
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

template <typename F>
F Real(const char* name) {
  static void* library = dlopen("libOSMesa.so.8", RTLD_NOW | RTLD_LOCAL);
  return library != nullptr ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
}

int HangsAt() { return std::atoi(std::getenv("HANGING_GL_PICTURE")); }

[[noreturn]] void Hang() {
  while (true) pause();
}

void ReadPixels(GLint x, GLint y, GLsizei width, GLsizei height, GLenum format, GLenum type,
                void* out) {
  static std::atomic<int> calls{0};
  if (++calls >= HangsAt()) Hang();
  static const auto real = Real<void* (*)(const char*)>("OSMesaGetProcAddress")("glReadPixels");
  reinterpret_cast<decltype(&glReadPixels)>(real)(x, y, width, height, format, type, out);
}

}  // namespace

extern "C" {

void* OSMesaCreateContextExt(GLenum format, GLint depth, GLint stencil, GLint accum, void* share) {
  if (HangsAt() == 0) Hang();
  return Real<decltype(&OSMesaCreateContextExt)>("OSMesaCreateContextExt")(format, depth, stencil,
                                                                           accum, share);
}
void OSMesaDestroyContext(void* context) {
  Real<decltype(&OSMesaDestroyContext)>("OSMesaDestroyContext")(context);
}
GLboolean OSMesaMakeCurrent(void* context, void* buffer, GLenum type, GLsizei width,
                            GLsizei height) {
  return Real<decltype(&OSMesaMakeCurrent)>("OSMesaMakeCurrent")(context, buffer, type, width,
                                                                 height);
}
void* OSMesaGetProcAddress(const char* name) {
  if (std::strcmp(name, "glReadPixels") == 0) return reinterpret_cast<void*>(ReadPixels);
  return Real<decltype(&OSMesaGetProcAddress)>("OSMesaGetProcAddress")(name);
}

}  // extern "C"
