#!/usr/bin/env bash
# Holds the rules of the house (ARCHITECTURE.md) that no compiler knows. Usage: house.sh [TREE]
# Prints one line an offence, "rule: file:line: text", and exits 1 if there was one.
# shellcheck disable=SC2317,SC2016  # the rules are called by name; backticks are Markdown's
set -u
export LC_ALL=C
cd "${1:-$(dirname "$0")/../..}" || exit 2

# Our C++ files in the given files and folders, missing ones left out.
sources() {
  local place
  for place in "$@"; do
    [ -e "$place" ] && find "$place" -name '*.[ch]pp'
  done | sort
}

# in_code PATTERN PLACE...: "file:line: text" of each match outside // comments. Only files that match at all are looked
# at line by line: each costs three processes.
in_code() {
  local pattern=$1
  shift
  sources "$@" | xargs -r grep -lE -- "$pattern" | while IFS= read -r file; do
    sed 's,//.*,,' "$file" | grep -nE -- "$pattern" | sed "s,^\([0-9]*\):,$file:\1: ,"
  done
}

# The folders of the house, one a line: src/core, src/ssh, ..., src/main.cpp.
parts() {
  find src -mindepth 1 -maxdepth 1 \( -type d -o -name main.cpp \) | sort
}

third_party_headers_stay_in_their_folder() {
  local prefix allowed part
  while read -r prefix allowed; do
    for part in include $(parts); do
      case " $allowed " in *" $part "*) continue ;; esac
      in_code "^ *#include *[<\"]$prefix" "$part"
    done
  done <<'TABLE'
libssh/         src/ssh
libmnl/         src/net
yaml-cpp/       src/config
systemd/        src/service src/log src/doctor
nlohmann/       src/status
boost/beast     src/status
CLI/            src/cli
(spdlog|fmt)/   src/log
TABLE
}

# Standard headers have neither a slash nor a dot in their names. Those of files and threads are not for the core.
the_core_includes_std_only() {
  in_code '^ *#include *<[^>]*[/.]' include src/core
  in_code '^ *#include *<(fstream|filesystem|thread|mutex)>' include src/core
  in_code '^ *#include *"' include src/core | grep -vE '"(holdfast|core)/'
}

# The one list of who may use whom, src/arrows.txt: "FOLDER: what it may use".
arrows() {
  grep -s '^[a-z]' src/arrows.txt
}

# What a folder includes besides the core's contracts ("holdfast/..."), one line each: "file:line: text".
includes_follow_the_arrows() {
  local part folder allowed
  for part in $(parts); do
    folder=${part#src/}
    allowed=$(arrows | sed -n "s/^$folder://p")
    allowed="holdfast $folder${allowed}"
    in_code '^ *#include *"' "$part" | grep -vE "\"(${allowed// /|})/"
  done
}

each_folder_has_its_arrows() {
  diff <(parts | sed 's,^src/,,') <(arrows | sed 's/:.*//' | sort) | sed -n 's/^[<>] //p'
}

arrows_go_up_the_list() {
  local folder used above=' '
  while IFS=: read -r folder used; do
    for used in $used; do
      case $above in *" $used "*) ;; *) echo "$folder: $used" ;; esac
    done
    above+="$folder "
  done < <(arrows)
}

# The core's use is that of its contracts, too.
no_arrow_is_idle() {
  local folder used
  while IFS=: read -r folder used; do
    for used in $used; do
      sources "src/$folder" | xargs -r grep -qsE "^ *#include *\"(${used/#core/core|holdfast})/" || echo "$folder: $used"
    done
  done < <(arrows)
}

# CMake links by the list alone: holdfast_library().
cmake_adds_no_arrow() {
  grep -n 'holdfast::' src/CMakeLists.txt src/*/CMakeLists.txt 2>/dev/null
}

# In the last column of its table of folders.
architecture_shows_the_arrows() {
  [ -f ARCHITECTURE.md ] || return
  diff <(sed -n 's,^| `src/\([a-z.]*\)/*` |.*| \(.*\) |$,\1: \2,p' ARCHITECTURE.md | sort) \
    <(arrows | sed 's/:$/: –/; s/\([a-z]\) /\1, /g' | sort) | sed -n 's/^[<>] //p'
}

# g++ 12 miscompiles them; docs/decisions/ has the cases.
no_coroutines() {
  in_code '\bco_(await|return|yield)\b' src include tests
}

# A fixed sleep is too long or sometimes too short: wait for the condition.
no_fixed_sleeps() {
  in_code '\b(sleep_for|sleep_until|usleep|nanosleep)\b|(^|[^_.>[:alnum:]])sleep\(' src include tests
}

the_core_is_told_the_time() {
  in_code '[cC]lock::now\b|\b(gettimeofday|clock_gettime|time)\(' src/core include
}

architecture_names_each_folder() {
  local folder
  [ -f ARCHITECTURE.md ] || return
  for folder in tests/*/; do
    grep -qE "\b$(basename "$folder")\b" ARCHITECTURE.md || echo "$folder"
  done
}

# At 100 columns, but for tables, what stands in a fence, and a line of one word.
prose_wraps() {
  local file
  for file in *.md docs/*.md docs/decisions/*.md tests/*/*.md; do
    [ -f "$file" ] && awk -v file="$file" '/^ *```/ { fenced = !fenced }
      { text = $0; gsub(/[\200-\277]/, "", text) }  # of UTF-8, all bytes but the first
      length(text) > 100 && !fenced && !/^ *\|/ && NF > 1 { print file ":" NR ": " $0 }' "$file"
  done
}

# The option tables of src/config look like key<Type, ...>("name").
configuration_documents_each_key() {
  local name
  sources src/config | xargs -r grep -ohE '\bkey<.*>\("[a-z_]+"\)' | sed 's/.*("\(.*\)")/\1/' | sort -u |
    while IFS= read -r name; do
      grep -qsE "\b$name\b" docs/configuration.md || echo "$name"
    done
}

diagnosis_explains_each_cause() {
  local name
  [ -f include/holdfast/cause.hpp ] || return
  sed -n '/^enum class Cause/,/^};/s/^ *\([a-z_]*\),.*/\1/p' include/holdfast/cause.hpp |
    while IFS= read -r name; do
      grep -qsF "\`$name\`" docs/diagnosis.md || echo "$name"
    done
}

# `src/core/tunnel.cpp`, `tests/unit/`: a whole path from the top of the tree; a part in capitals stands for any.
documents_name_files_that_exist() {
  local place
  grep -noHE '`(src|include|tests|tools|systemd|debian|cmake|etc)/[A-Za-z0-9_./-]*`' ARCHITECTURE.md CONTRIBUTING.md docs/map.md docs/testing.md 2>/dev/null |
    tr -d '`' | while IFS= read -r place; do
    [[ $place =~ /[A-Z]+/ ]] || [ -e "${place##*:}" ] || echo "$place"
  done
}

# Debian's package is built with what tools/packages lists as `build`; a compiler is always there.
the_package_builds_with_what_is_listed() {
  local name
  [ -f tools/packages ] || return
  sed -n 's/^build  *//p' tools/packages | while IFS= read -r name; do
    [ "$name" = g++ ] || grep -qsE "^ $name( \(.*\))?,$" debian/control || echo "$name"
  done
}

the_package_has_the_programs_version() {
  local version
  [ -f debian/changelog ] || return
  version=$(sed -n 's/^project(holdfast VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt 2>/dev/null)
  sed -n '1s/^holdfast (\(.*\)).*/\1/p' debian/changelog | grep -vxF -- "$version" | sed 's,^,debian/changelog:1: ,'
}

# "FILE: beginning of a case's name"; FILE is below tests/ or tests/integration/.
security_names_tests_that_exist() {
  local file name
  [ -f docs/security.md ] || return
  sed -n 's/^\([a-z_/]*_test\.cpp\): /\1 /p' docs/security.md | while read -r file name; do
    grep -qsF "\"$name" "tests/$file" "tests/integration/$file" || echo "$file: $name"
  done
}

offences=$(
  for rule in third_party_headers_stay_in_their_folder the_core_includes_std_only includes_follow_the_arrows \
    each_folder_has_its_arrows arrows_go_up_the_list no_arrow_is_idle cmake_adds_no_arrow \
    architecture_shows_the_arrows prose_wraps \
    no_coroutines no_fixed_sleeps the_core_is_told_the_time architecture_names_each_folder \
    configuration_documents_each_key diagnosis_explains_each_cause security_names_tests_that_exist documents_name_files_that_exist \
    the_package_builds_with_what_is_listed the_package_has_the_programs_version; do
    "$rule" | sed "s,^,$rule: ,"
  done
)
[ -z "$offences" ] && exit 0
printf '%s\n' "$offences"
exit 1
