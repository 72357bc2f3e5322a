// What this folder was built on, for manifests.
#pragma once

#include <string>

namespace v2r {

std::string MujocoVersion();  // "3.17.0"
// Renderer string of the GL driver ("llvmpipe (LLVM 15.0.6, 256 bits)"). Opens a context; UserError when there is no EGL.
std::string GlRenderer();

}  // namespace v2r
