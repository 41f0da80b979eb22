#!/usr/bin/env python3
"""What each library costs: of the program's file, and of the memory of a running one.

usage: libraries.py PROGRAM [PID]

PROGRAM is not stripped (build/release/src/holdfast). The bytes of each symbol are those of the namespace in which it
is declared: what the compiler put into a function of ours from a library's header counts as ours. What has no symbol
(relocations, tables for exceptions, strings) is the rest. PID is a running program: root may read anybody's.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

LIBRARIES = {"holdfast": "holdfast itself", "boost": "Boost.Asio and Beast", "spdlog": "spdlog with fmt",
             "fmt": "spdlog with fmt", "YAML": "yaml-cpp", "CLI": "CLI11", "nlohmann": "nlohmann-json",
             "tl": "tl::expected", "std": "libstdc++'s templates", "__gnu_cxx": "libstdc++'s templates"}
OF_A_NAME = re.compile(r"^(vtable|typeinfo name|typeinfo|VTT|construction vtable|guard variable|non-virtual thunk|"
                       r"virtual thunk|reference temporary #\d+) (for|to) ")


def without_arguments(name):
    """A demangled name without what stands in <> and (): `void a::b<c>::d(e)` is `void a::b::d`."""
    kept, depth = [], 0
    name = name.replace("(anonymous namespace)", "anonymous").replace("operator()", "operator_call")
    name = re.sub(r"operator(<<=|>>=|<=>|->\*|<<|>>|<=|>=|->|<|>)", "operator_sign", name)
    for sign in name:
        if sign in "<({":
            depth += 1
        if depth == 0:
            kept.append(sign)
        if sign in ">)}":
            depth -= 1
    return "".join(kept)


def owner(symbol):
    symbol = re.sub(r" \[clone [^]]*\]", "", symbol)  # a part of a function, or one of several
    plain = without_arguments(OF_A_NAME.sub("", symbol)).replace(" const", "").strip()
    namespace = plain.split(" ")[-1].split("::")[0].lstrip("*&")
    return LIBRARIES.get(namespace, "C, and what has no namespace")


def of_the_file(program):
    sizes = collections.Counter()
    lines = subprocess.run(["nm", "--print-size", "--demangle", "--defined-only", program], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    seen = set()
    for line in lines:
        parts = line.split(" ", 3)
        if len(parts) < 4 or parts[2] in "bB":  # what is zero takes no room in the file
            continue
        if parts[0] not in seen:  # a constructor has two names
            sizes[owner(parts[3])] += int(parts[1], 16)
        seen.add(parts[0])
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "stripped")
        subprocess.run(["strip", "--remove-section=.comment", "-o", stripped, program], check=True)
        whole = os.path.getsize(stripped)
    sizes["the rest"] = whole - sum(sizes.values())
    print("| of the file | KiB |\n|---|--:|")
    for library, size in sizes.most_common():
        print(f"| {library} | {size / 1024:.0f} |")
    print(f"| all of it, stripped | {whole / 1024:.0f} |\n")


def of_the_memory(pid):
    """A library's writable data belongs to its file; the heap and the stacks to no file."""
    proportional, anonymous, name = collections.Counter(), collections.Counter(), ""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line)
            if head:
                path = head[1].strip()
                name = os.path.basename(path) if path.startswith("/") else path or "other anonymous memory"
            elif line.startswith("Pss:"):
                proportional[name] += int(line.split()[1])
            elif line.startswith("Anonymous:"):
                anonymous[name] += int(line.split()[1])
    print("| of the memory | PSS, KiB | anonymous, KiB |\n|---|--:|--:|")
    for part, size in proportional.most_common():
        if size:
            print(f"| {part} | {size} | {anonymous[part]} |")
    print(f"| all of it | {proportional.total()} | {anonymous.total()} |")


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    of_the_file(sys.argv[1])
    if len(sys.argv) == 3:
        of_the_memory(sys.argv[2])


if __name__ == "__main__":
    main()
