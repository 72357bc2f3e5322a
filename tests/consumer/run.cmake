# Installs a finished build into a folder of its own, then configures, builds and runs the consumer against it.
#   cmake -DBINARY_DIR=... -DCONSUMER_DIR=... -DWORK_DIR=... -P run.cmake
file(REMOVE_RECURSE ${WORK_DIR})
set(ENV{V2R_HOME} ${WORK_DIR}/prefix/share/v2r)
foreach(step
    "${CMAKE_COMMAND}|--install|${BINARY_DIR}|--prefix|${WORK_DIR}/prefix"
    "${CMAKE_COMMAND}|-S|${CONSUMER_DIR}|-B|${WORK_DIR}/build|-G|Ninja|-DCMAKE_BUILD_TYPE=Release|-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix"
    "${CMAKE_COMMAND}|--build|${WORK_DIR}/build"
    "${WORK_DIR}/build/consumer")
  string(REPLACE "|" ";" command "${step}")
  execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endforeach()
file(REMOVE_RECURSE ${WORK_DIR})
