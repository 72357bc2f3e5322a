# Finds MuJoCo inside an unpacked `mujoco` wheel (${V2R_DEPS_DIR}/prefix/mujoco, or $V2R_MUJOCO_DIR).
#
# Defines the imported target MujocoWheel::mujoco and the variables MujocoWheel_ROOT and MujocoWheel_VERSION.
# 4.0.0 is refused: its sparse Cholesky factorisation is wrong.
set(_mujoco_hints "")
if(DEFINED ENV{V2R_MUJOCO_DIR})
  list(APPEND _mujoco_hints "$ENV{V2R_MUJOCO_DIR}" "$ENV{V2R_MUJOCO_DIR}/mujoco")
endif()
list(APPEND _mujoco_hints "${V2R_DEPS_DIR}/prefix/mujoco")

find_path(MujocoWheel_ROOT NAMES include/mujoco/mujoco.h PATHS ${_mujoco_hints} NO_DEFAULT_PATH NO_CACHE)
if(MujocoWheel_ROOT)
  file(GLOB _mujoco_libraries "${MujocoWheel_ROOT}/libmujoco.so.*")
  list(LENGTH _mujoco_libraries _mujoco_count)
  if(_mujoco_count GREATER 0)
    list(GET _mujoco_libraries 0 MujocoWheel_LIBRARY)
    string(REGEX REPLACE ".*libmujoco\\.so\\." "" MujocoWheel_VERSION "${MujocoWheel_LIBRARY}")
  endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MujocoWheel
  REQUIRED_VARS MujocoWheel_ROOT MujocoWheel_LIBRARY
  VERSION_VAR MujocoWheel_VERSION
  FAIL_MESSAGE "MuJoCo not found: run scripts/bootstrap, or set V2R_MUJOCO_DIR")
if(MujocoWheel_VERSION VERSION_EQUAL 4.0.0)
  message(FATAL_ERROR "MuJoCo 4.0.0 has a wrong sparse Cholesky factorisation; use 3.17.0 or 4.0.1")
endif()

if(MujocoWheel_FOUND AND NOT TARGET MujocoWheel::mujoco)
  add_library(MujocoWheel::mujoco SHARED IMPORTED)
  set_target_properties(MujocoWheel::mujoco PROPERTIES IMPORTED_LOCATION "${MujocoWheel_LIBRARY}")
  target_include_directories(MujocoWheel::mujoco SYSTEM INTERFACE "${MujocoWheel_ROOT}/include")
endif()
