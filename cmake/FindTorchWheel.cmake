# Finds LibTorch inside an unpacked `torch` wheel, without the CUDA toolkit that find_package(Torch) wants.
#
# Looks in $V2R_TORCH_DIR (a folder that holds torch/lib and torch/include, or that is such a torch folder), then in
# ${V2R_DEPS_DIR}/prefix. Defines the imported targets TorchWheel::torch (headers, torch_cpu, c10) and the variable
# TorchWheel_ROOT. The CUDA half of the library is opened at run time, never linked.
set(_torch_hints "")
if(DEFINED ENV{V2R_TORCH_DIR})
  list(APPEND _torch_hints "$ENV{V2R_TORCH_DIR}" "$ENV{V2R_TORCH_DIR}/torch")
endif()
list(APPEND _torch_hints "${V2R_DEPS_DIR}/prefix/torch")

find_path(TorchWheel_ROOT NAMES lib/libtorch_cpu.so PATHS ${_torch_hints} NO_DEFAULT_PATH NO_CACHE)
# The wheel's include folder also holds a copy of fmt, of another version than the one spdlog is linked with. A folder with
# nothing but a link to the latter goes before it.
find_path(TorchWheel_FMT_INCLUDE NAMES fmt/format.h NO_PACKAGE_ROOT_PATH DOC "Where the fmt headers are that spdlog uses")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TorchWheel
  REQUIRED_VARS TorchWheel_ROOT TorchWheel_FMT_INCLUDE
  FAIL_MESSAGE
    "LibTorch or libfmt-dev not found: run scripts/bootstrap, or set V2R_TORCH_DIR to an installed PyTorch 2.11")

if(TorchWheel_FOUND AND NOT TARGET TorchWheel::torch)
  add_library(TorchWheel::c10 SHARED IMPORTED)
  set_target_properties(TorchWheel::c10 PROPERTIES IMPORTED_LOCATION "${TorchWheel_ROOT}/lib/libc10.so")
  add_library(TorchWheel::torch SHARED IMPORTED)
  set_target_properties(TorchWheel::torch PROPERTIES
    IMPORTED_LOCATION "${TorchWheel_ROOT}/lib/libtorch_cpu.so"
    INTERFACE_LINK_LIBRARIES TorchWheel::c10
    INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1")
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/fmt_first")
  file(CREATE_LINK "${TorchWheel_FMT_INCLUDE}/fmt" "${PROJECT_BINARY_DIR}/fmt_first/fmt" SYMBOLIC)
  target_include_directories(TorchWheel::torch SYSTEM INTERFACE "${PROJECT_BINARY_DIR}/fmt_first"
    "${TorchWheel_ROOT}/include" "${TorchWheel_ROOT}/include/torch/csrc/api/include")
endif()
