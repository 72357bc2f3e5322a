// Ways to OpenGL without a screen; GlContext chooses between them.
#pragma once

#include <memory>
#include <string>

#include "core/error.h"

namespace v2r {

// A context, current on the thread that made it; its destructor releases it there.
struct GlBinding {
  virtual ~GlBinding() = default;
};

// The platform cannot be had here: no library, no display, no context. Another one may do.
class GlUnavailable : public UserError {
 public:
  using UserError::UserError;
};

// Lives until the process ends: drivers do not survive being closed and reopened while other
// threads draw. Its functions may be called from any thread.
class GlLibrary {
 public:
  virtual ~GlLibrary() = default;
  virtual std::string platform() const = 0;
  virtual void* GetProcAddress(const char* name) const = 0;
  // GlUnavailable when the driver gives none.
  virtual std::unique_ptr<GlBinding> MakeCurrent() const = 0;
  // Puts the library where MuJoCo's loader looks (the global scope).
  virtual void Publish() const = 0;
};

// GlUnavailable with what to install; OpenEgl: UserError for a device that is not there.
std::unique_ptr<GlLibrary> OpenEgl();
std::unique_ptr<GlLibrary> OpenOsmesa();

// $`variable`, or `fallback` where it is unset or empty.
std::string EnvironmentOr(const char* variable, const std::string& fallback);

// A library opened in a scope of its own. `install` ends the messages.
class DynamicLibrary {
 public:
  // GlUnavailable where it cannot be opened.
  DynamicLibrary(const std::string& path, const std::string& install);
  // GlUnavailable where it has no such function.
  template <typename F>
  void Load(const char* name, F& function) const {
    function = reinterpret_cast<F>(Symbol(name));
  }
  void Publish() const;
  const std::string& path() const { return path_; }

 private:
  void* Symbol(const char* name) const;
  std::string path_, install_;
  void* handle_ = nullptr;
};

}  // namespace v2r
