# One static library a folder; a folder links what src/arrows.txt lets it include, so the arrows are the linker's and not
# a habit.

# HOLDFAST_FOLDERS: core worker ...; HOLDFAST_ARROWS_log: holdfast::core holdfast::worker
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/arrows.txt")
file(STRINGS "${PROJECT_SOURCE_DIR}/src/arrows.txt" lines REGEX "^[a-z]")
foreach(line IN LISTS lines)
  string(REGEX MATCHALL "[a-z.]+" words "${line}")
  list(POP_FRONT words from)
  list(TRANSFORM words PREPEND holdfast:: OUTPUT_VARIABLE HOLDFAST_ARROWS_${from})
  list(APPEND HOLDFAST_FOLDERS ${from})
endforeach()
list(REMOVE_ITEM HOLDFAST_FOLDERS main.cpp)

# Options that every target of ours is compiled with.
add_library(holdfast_options INTERFACE)
target_compile_features(holdfast_options INTERFACE cxx_std_20)
target_compile_options(holdfast_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                                                  -Woverloaded-virtual -Wimplicit-fallthrough -Wswitch-enum)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 takes the inactive alternatives of a std::variant for uninitialized when it optimises; clang and the
  # sanitizers look after the real ones.
  target_compile_options(holdfast_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(HOLDFAST_WERROR)
  target_compile_options(holdfast_options INTERFACE -Werror)
endif()
if(HOLDFAST_SANITIZE)
  # The check of vptr opens a pipe to see whether it may read, and takes an object for a broken one when there is no
  # descriptor left, which tests see to.
  target_compile_options(holdfast_options INTERFACE -fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize=vptr
                                                    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(holdfast_options INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
  if(NOT HOLDFAST_SANITIZE MATCHES "fuzzer")
    # UBSan doubles the time that a file takes, and is for what is tested: of the tests' own code only memory is watched.
    set(in_tests "$<PATH:IS_PREFIX,${PROJECT_SOURCE_DIR}/tests,$<TARGET_PROPERTY:SOURCE_DIR>>")
    target_compile_options(holdfast_options INTERFACE "$<${in_tests}:-fno-sanitize=undefined>")
  endif()
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_link_options(-fuse-ld=mold)
endif()

# holdfast_library(core [FAST a.cpp ...] SOURCES b.cpp ... [LINK target ...]) makes holdfast_core, known as
# holdfast::core. It links its arrows and LINK, which is for other people's libraries. What stands behind FAST is
# compiled for speed, the rest for size (Size.cmake).
function(holdfast_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FAST;SOURCES;LINK")
  add_library(holdfast_${name} STATIC ${arg_FAST} ${arg_SOURCES})
  add_library(holdfast::${name} ALIAS holdfast_${name})
  target_include_directories(holdfast_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include"
                                                    "${PROJECT_BINARY_DIR}/include")
  target_link_libraries(holdfast_${name} PUBLIC ${HOLDFAST_ARROWS_${name}} ${arg_LINK} PRIVATE holdfast_options)
  target_compile_options(holdfast_${name} PRIVATE ${HOLDFAST_IN_PROGRAM})
  set_property(SOURCE ${arg_SOURCES} APPEND PROPERTY COMPILE_OPTIONS ${HOLDFAST_SMALL})
endfunction()
