#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the shape of the tree; prints one line a fault and closes with "N passed, N failed, N skipped".

  direction   every #include of a room goes to itself or a room below it (docs/ARCHITECTURE.md, "Who may include whom")
  alone       every header compiles by itself, with gcc and clang, as C17; those of the Windows kernel platform with
              both cross-compilers and mingw-w64's driver headers, whose inline routines need GNU's older dialect
  format      clang-format would change nothing
  words       no path of somebody's machine, no leftover marker in what is committed

usage: check_tree.py [--self-test] [CHECK…]      (all checks by default)
--self-test plants one fault per check in a copy of the tree and fails unless each is found.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# room -> rooms it may include, lower rooms spelled out by closure below.
DIRECT = {
    "base": [],
    "platform": ["base"],
    "isa": ["base"],
    "contract": ["base"],
    "btf": ["base"],
    "image": ["isa", "btf", "contract"],
    "elf": ["image"],
    "verify": ["image"],
    "lower": ["image"],
    "engine": ["image"],
    "core": ["engine", "platform"],
    "maps": ["core"],
    "helpers": ["maps"],
    "hooks": ["core"],
    "wire": ["core"],
    "load": ["verify", "lower", "core"],
    "api": ["core", "elf", "wire"],
}
# Public headers anyone above base may use: the uapi and libbpf's own names.
PUBLIC = ("linux/", "bpf/", "ebpf/", "net/")
KERNEL_ROOMS = ["base", "isa", "contract", "btf", "image", "elf", "verify", "lower", "engine", "core", "maps", "helpers", "hooks",
                "load"]
# What freestanding C and our own memory-and-string subset provide; everything else belongs to src/platform.
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h", "immintrin.h", "cpuid.h"}


def below(room, seen=None):
    seen = set() if seen is None else seen
    for lower in DIRECT[room]:
        if lower not in seen:
            seen.add(lower)
            below(lower, seen)
    return seen | {"base"}


def sources(root, folders, endings):
    for folder in folders:
        for path, names, files in os.walk(os.path.join(root, folder)):
            names.sort()
            for name in sorted(files):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(path, name), root)


def check_direction(root):
    faults = []
    for path in sources(root, ["src"], (".c", ".h", ".def", ".inc")):
        parts = path.split(os.sep)
        room = parts[1]
        if room not in DIRECT:
            faults.append(f"{path}: room '{room}' is not in the picture (tests/tools/check_tree.py, docs/ARCHITECTURE.md)")
            continue
        allowed = below(room) | {room}
        provider = room == "hooks" and path.endswith(("_af_packet.c", "_linux.c", "_linux.h"))
        for number, line in enumerate(open(os.path.join(root, path), encoding="utf-8"), 1):
            found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            system, name = found.group(1) == "<", found.group(2)
            if name.startswith(PUBLIC):
                continue
            if system:
                inside_os = room in ("platform", "api") or provider
                if room in KERNEL_ROOMS and not inside_os and name not in FREESTANDING:
                    faults.append(f"{path}:{number}: <{name}> is the system's; only src/platform and providers may call it")
            else:
                target = name.split("/")[0]
                if "/" not in name:
                    faults.append(f"{path}:{number}: \"{name}\" does not name its room")
                elif target not in DIRECT or not os.path.exists(os.path.join(root, "src", name)):
                    faults.append(f"{path}:{number}: \"{name}\" is in no room")
                elif target not in allowed:
                    faults.append(f"{path}:{number}: {room} may not include {target}")
    return faults


def check_alone(root):
    headers = list(sources(root, ["src", "include"], ".h"))
    faults = []
    # bpf/bpf_*.h for programs are compiled by the BPF compiler; the rest by both hosts' compilers.
    bpf_side = {"include/bpf/bpf_helpers.h", "include/bpf/bpf_helper_defs.h", "include/bpf/bpf_tracing.h",
                "include/bpf/bpf_core_read.h", "include/bpf/bpf_endian.h"}

    kernel_flags = ["-DWINBPF_KERNEL", "-D_WIN32_WINNT=0x0A00", "-DNTDDI_VERSION=0x0A000002", "-std=gnu17", "-fgnu89-inline",
                    "-fms-extensions", "-Wno-unknown-pragmas", "-isystem/usr/x86_64-w64-mingw32/include/ddk", "-fsyntax-only",
                    f"-I{root}/include", f"-I{root}/src", "-Wall", "-Werror", "-x", "c", "-"]

    def one(job):
        compiler, header = job
        if header.startswith("src/platform/win_kernel/"):
            command = {"gcc": ["x86_64-w64-mingw32-gcc"], "clang": ["clang-19", "--target=x86_64-w64-windows-gnu",
                       "-Wno-ignored-attributes", "-Wno-microsoft", "-Wno-#warnings"]}[compiler]
            run = subprocess.run(command + kernel_flags, input=f'#include "{os.path.join(root, header)}"\n',
                                 capture_output=True, text=True)
            return outcome(compiler, header, run)
        if header.startswith("src/platform/win_user/"):
            cross = {"gcc": ["x86_64-w64-mingw32-gcc"], "clang": ["clang-19", "--target=x86_64-w64-windows-gnu"]}[compiler]
            run = subprocess.run([*cross, "-D_WIN32_WINNT=0x0A00", "-std=c17", "-Wall", "-Wextra", "-Werror",
                                  "-Wno-unused-parameter", "-fsyntax-only", f"-I{root}/include", f"-I{root}/src", "-x", "c", "-"],
                                 input=f'#include "{os.path.join(root, header)}"\n', capture_output=True, text=True)
            return outcome(compiler, header, run)
        target = ["-target", "bpf"] if compiler == "clang" and header in bpf_side else []
        first = "#include <linux/bpf.h>\n" if header in bpf_side else ""
        text = first + f'#include "{os.path.join(root, header)}"\n'
        run = subprocess.run([compiler, *target, "-std=gnu17" if header in bpf_side else "-std=c17", "-Wall", "-Wextra", "-Werror",
                              "-Wno-unused-parameter", "-Wno-unused-function", "-D_GNU_SOURCE", "-fsyntax-only",
                              f"-I{root}/include", f"-I{root}/src", "-x", "c", "-"],
                             input=text, capture_output=True, text=True)
        return outcome(compiler, header, run)

    def outcome(compiler, header, run):
        if run.returncode:
            lines = [l for l in run.stderr.splitlines() if "error" in l] or run.stderr.splitlines() or ["?"]
            return f"{header}: does not compile alone with {compiler}: {lines[0]}"
        return None

    jobs = [(c, h) for h in headers for c in (["clang"] if h in bpf_side else ["gcc", "clang"])]
    with ThreadPoolExecutor(2) as pool:
        faults += [f for f in pool.map(one, jobs) if f]
    return faults


def check_format(root):
    files = list(sources(root, ["src", "include", "bin", "tests", "bench", "examples"], (".c", ".h")))
    files = [f for f in files if not open(os.path.join(root, f), encoding="utf-8").read().startswith("/* generated")]
    faults = []

    def one(chunk):
        run = subprocess.run(["clang-format", "--dry-run", "-Werror", *chunk], cwd=root, capture_output=True, text=True)
        return sorted({l.split(":")[0] for l in run.stderr.splitlines() if "clang-format-violations" in l})

    chunks = [files[i::4] for i in range(4)]
    with ThreadPoolExecutor(2) as pool:
        for names in pool.map(one, [c for c in chunks if c]):
            faults += [f"{name}: clang-format would change it (run clang-format -i)" for name in names]
    return faults


def check_words(root):
    faults = []
    machine = re.compile(r"(?<![\w.])/(?:work|farm|root|home)/[A-Za-z0-9_.-]+")
    marker = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
    for path in sources(root, ["."], ("",)):
        path = os.path.normpath(path)
        if path.split(os.sep)[0] in ("build", ".git") or "__pycache__" in path:
            continue
        try:
            text = open(os.path.join(root, path), encoding="utf-8").read()
        except (UnicodeDecodeError, OSError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if machine.search(line):
                faults.append(f"{path}:{number}: a path of a machine: {machine.search(line).group(0)}")
            if marker.search(line):
                faults.append(f"{path}:{number}: a marker of unfinished work: {marker.search(line).group(0)}")
    return faults


CHECKS = {"direction": check_direction, "alone": check_alone, "format": check_format, "words": check_words}

PLANTS = {
    "direction": ("src/isa/planted.c", '#include "core/core.h"\n'),
    "alone": ("src/base/planted.h", "struct hole *f(undeclared_type x);\n"),
    "format": ("src/base/planted.c", "int   f( void ){return 1 ;}\n"),
    "words": ("docs/planted.md", "see /ho" "me/somebody/notes\n"),
}


def self_test(root):
    missed = 0
    with tempfile.TemporaryDirectory() as copy:
        for folder in ("src", "include", "docs"):
            if os.path.isdir(os.path.join(root, folder)):
                shutil.copytree(os.path.join(root, folder), os.path.join(copy, folder))
        shutil.copy(os.path.join(root, ".clang-format"), copy)
        for name, (path, text) in PLANTS.items():
            place = os.path.join(copy, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w", encoding="utf-8") as out:
                out.write(text)
            if not any("planted" in fault for fault in CHECKS[name](copy)):
                print(f"self-test: check '{name}' did not see the fault planted in {path}")
                missed += 1
            os.remove(place)
    print(f"{len(PLANTS) - missed} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(__doc__.strip())
        return 0
    if arguments == ["--self-test"]:
        return self_test(root)
    unknown = [a for a in arguments if a not in CHECKS]
    if unknown:
        print(f"check_tree.py: unknown check '{unknown[0]}'; there are: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    passed = failed = 0
    for name in arguments or CHECKS:
        faults = CHECKS[name](root)
        for fault in faults:
            print(fault)
        passed, failed = passed + (not faults), failed + bool(faults)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
