# What dpkg-buildflags gives a package with hardening=+all, for whoever builds by hand: a relay, and whoever visits
# through it, may be hostile. tests/house/hardening.sh looks at the binary.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)
check_pie_supported()

set(HOLDFAST_HARDENING -fstack-protector-strong -Wformat -Werror=format-security)
set(CMAKE_REQUIRED_FLAGS -Werror)  # clang only warns of another processor's option
foreach(flag -fstack-clash-protection -fcf-protection -mbranch-protection=standard)
  string(MAKE_C_IDENTIFIER "HOLDFAST_HAS${flag}" known)
  check_cxx_compiler_flag(${flag} ${known})
  if(${known})
    list(APPEND HOLDFAST_HARDENING ${flag})
  endif()
endforeach()
unset(CMAKE_REQUIRED_FLAGS)
add_compile_options(${HOLDFAST_HARDENING})
# Only an optimised build can check sizes, and the sanitizers do better.
if(NOT HOLDFAST_SANITIZE)
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now)
