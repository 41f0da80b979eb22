# Sets LIBSSH_VERIFIED_BUILD: the build id of the libssh that is linked, if it notices that an AES-GCM packet was changed
# (CVE-2026-59847, fixed upstream in 0.11.5 and 0.12.2, and by distributions in versions that look older). Empty if it
# does not, or if that can't be found out here, as in a cross build without an emulator: holdfast then tries it at start.
set(LIBSSH_VERIFIED_BUILD "")
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  unset(LIBSSH_GCM_RUNS CACHE)  # the library may have been exchanged since
  try_run(LIBSSH_GCM_RUNS LIBSSH_GCM_COMPILES "${CMAKE_BINARY_DIR}/libssh_gcm_tags"
          SOURCES "${PROJECT_SOURCE_DIR}/cmake/libssh_gcm_tags.cpp" "${PROJECT_SOURCE_DIR}/src/ssh/gcm_self_test.cpp"
                  "${PROJECT_SOURCE_DIR}/src/ssh/build_id.cpp" "${PROJECT_SOURCE_DIR}/src/ssh/descriptor.cpp"
          CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${PROJECT_SOURCE_DIR}/src"
          LINK_LIBRARIES PkgConfig::LIBSSH
          CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
          COMPILE_OUTPUT_VARIABLE LIBSSH_GCM_COMPILER RUN_OUTPUT_VARIABLE LIBSSH_BUILD)
  if(NOT LIBSSH_GCM_COMPILES)
    message(FATAL_ERROR "the test of libssh does not compile:\n${LIBSSH_GCM_COMPILER}")
  elseif(LIBSSH_GCM_RUNS STREQUAL "0")
    set(LIBSSH_VERIFIED_BUILD "${LIBSSH_BUILD}")
  endif()
endif()
message(STATUS "libssh ${LIBSSH_VERSION}, build that verifies AES-GCM's tags: '${LIBSSH_VERIFIED_BUILD}'")
