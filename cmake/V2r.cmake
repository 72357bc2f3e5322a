# The few functions with which every folder declares its target.

# v2r_library(NAME SOURCES a.cc ... DEPS core ... [PRIVATE_DEPS lib ...] [TORCH])
# One static library a folder: target v2r_NAME, alias v2r::NAME. TORCH gives it the shared precompiled torch header.
function(v2r_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(v2r_${name} STATIC ${ARG_SOURCES})
  add_library(v2r::${name} ALIAS v2r_${name})
  set_target_properties(v2r_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(v2r_${name} PUBLIC cxx_std_20)
  target_include_directories(v2r_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/v2r>)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(v2r_${name} PUBLIC v2r_${dep})
  endforeach()
  target_link_libraries(v2r_${name} PRIVATE ${ARG_PRIVATE_DEPS})
  if(ARG_TORCH)
    v2r_torch_pch(v2r_${name})
  endif()
  install(TARGETS v2r_${name} EXPORT v2rTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/v2r/${folder})
endfunction()

# torch/torch.h costs 20 s a file: every target that sees it reuses one precompiled header.
function(v2r_torch_pch target)
  if(V2R_PCH AND NOT target STREQUAL "v2r_core_torch")
    target_precompile_headers(${target} REUSE_FROM v2r_core_torch)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      # gcc refuses the header of a -fPIC library in a -fPIE program.
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE -fPIC)
    endif()
  endif()
endfunction()

# v2r_test(FOLDER SOURCES a_test.cc ... DEPS media ... [LIBS lib ...] [TORCH] [LABELS render ...])
# One GoogleTest program a folder: v2r_FOLDER_test. Tests whose suite name ends in Slow, Render or Gpu get that label too.
function(v2r_test name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS;LIBS;LABELS" ${ARGN})
  set(target v2r_${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${target} PRIVATE v2r_${dep})
  endforeach()
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE)
  if(ARG_TORCH)
    v2r_torch_pch(${target})
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  # One variable and one label only: gtest_discover_tests takes a list in a property apart.
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
    PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300
    ENVIRONMENT "V2R_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endfunction()
