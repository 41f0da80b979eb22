# A device pays for the program with flash and memory, and so does each upgrade by radio.
# What a debugger looks at, and what the sanitizers watch, is left as it was written.
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  return()
endif()
include(CheckLinkerFlag)

# Functions and data that nothing refers to are left out.
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)

# A pointer that the loader has to fill in costs the file a few bits, not 24 bytes. A linker that can't only warns.
check_linker_flag(CXX -Wl,--fatal-warnings,-z,pack-relative-relocs HOLDFAST_HAS_RELR)
if(HOLDFAST_HAS_RELR)
  add_link_options(-Wl,-z,pack-relative-relocs)
endif()

# The whole program is compiled when it is linked: what many of its parts bring along is kept once, and a sixth of the
# file is saved.
option(HOLDFAST_LTO "Compile the whole program when it is linked" ON)
if(HOLDFAST_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT CMAKE_INTERPROCEDURAL_OPTIMIZATION OUTPUT HOLDFAST_NO_LTO LANGUAGES CXX)
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    # Each program takes up to 600 MB, and uses all processors by itself.
    set_property(GLOBAL APPEND PROPERTY JOB_POOLS link=1)
    set(CMAKE_JOB_POOL_LINK link)
  else()
    message(STATUS "The file will be larger, as this compiler can't compile the whole program at once: ${HOLDFAST_NO_LTO}")
  endif()
endif()

# Speed is for what each byte of a tunnel goes through: holdfast_library(... FAST ...).
set(HOLDFAST_SMALL -Os)
# A library of ours ends up in programs: nobody can put another function in the place of one of its, as -fPIC allows for.
set(HOLDFAST_IN_PROGRAM -fPIE)
