# Sets LIBSSH_VERIFIES_GCM_TAGS: whether the libssh that is linked notices that an AES-GCM packet was changed
# (CVE-2026-59847, fixed upstream in 0.11.5 and 0.12.2, and by distributions in versions that look older). A program that
# can be run here finds it out; where it can't, Debian's package version may tell; else the answer is no.
set(HOLDFAST_LIBSSH_GCM "auto" CACHE STRING
    "Does the libssh that is linked verify the tags of AES-GCM (CVE-2026-59847)? ON, OFF, or auto: find out. ON with a \
library that does not verify them lets anybody on the way change what goes through the tunnel.")
set_property(CACHE HOLDFAST_LIBSSH_GCM PROPERTY STRINGS auto ON OFF)

function(holdfast_try_libssh_gcm result)
  set(${result} OFF PARENT_SCOPE)
  unset(LIBSSH_GCM_RUNS CACHE)  # the library may have been exchanged since
  try_run(LIBSSH_GCM_RUNS LIBSSH_GCM_COMPILES "${CMAKE_BINARY_DIR}/libssh_gcm_tags"
          SOURCES "${PROJECT_SOURCE_DIR}/cmake/libssh_gcm_tags.c" LINK_LIBRARIES PkgConfig::LIBSSH)
  if(LIBSSH_GCM_COMPILES AND LIBSSH_GCM_RUNS STREQUAL "0")
    set(${result} ON PARENT_SCOPE)
  endif()
endfunction()

# Packages of several architectures are installed in one version only, so that it need not be asked which is linked.
function(holdfast_ask_dpkg_for_libssh_gcm result)
  set(${result} OFF PARENT_SCOPE)
  execute_process(COMMAND dpkg-query -W -f "\${Version}\n" libssh-4 OUTPUT_VARIABLE versions ERROR_QUIET)
  string(REGEX MATCH "^[^\n]+" version "${versions}")
  if(version MATCHES "^0\\.10\\.6-0\\+deb12u")
    execute_process(COMMAND dpkg --compare-versions "${version}" ge 0.10.6-0+deb12u3 RESULT_VARIABLE older ERROR_QUIET)
    if(older EQUAL 0)
      set(${result} ON PARENT_SCOPE)
    endif()
  endif()
endfunction()

if(NOT HOLDFAST_LIBSSH_GCM STREQUAL "auto")
  set(LIBSSH_VERIFIES_GCM_TAGS "${HOLDFAST_LIBSSH_GCM}")
elseif(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  holdfast_try_libssh_gcm(LIBSSH_VERIFIES_GCM_TAGS)
else()
  holdfast_ask_dpkg_for_libssh_gcm(LIBSSH_VERIFIES_GCM_TAGS)
endif()
if(LIBSSH_VERIFIES_GCM_TAGS)
  set(LIBSSH_VERIFIES_GCM_TAGS true)
else()
  set(LIBSSH_VERIFIES_GCM_TAGS false)
endif()
message(STATUS "libssh ${LIBSSH_VERSION} verifies AES-GCM's tags: ${LIBSSH_VERIFIES_GCM_TAGS}")
