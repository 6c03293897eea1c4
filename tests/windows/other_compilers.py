#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles a driver's sources a second time, with its own flags:

  gcc      mingw-w64's gcc, warnings as errors
  arm64    clang for ARM64 Windows; the objects are then linked to a driver, whose imports are what the x64 driver may
           import (imports.allow) and what ARM64 adds

usage: other_compilers.py BUILD-FOLDER DRIVER      prints one line a fault, then "N passed, N failed, N skipped"
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
MINGW = "/usr/x86_64-w64-mingw32/include"
CLANG_ONLY = {"-gcodeview", "-mguard=cf", "-Wno-microsoft", "-Wno-#warnings", "-Wno-ignored-attributes"}
# The compiler's own, which the x64 kernel exports to everybody and ARM64's compiler calls by other names.
ARM64_ADDS = {"ntoskrnl.exe": ["__chkstk", "DbgPrintEx"]}


def commands(build, driver):
    for entry in json.load(open(os.path.join(build, "compile_commands.json"), encoding="utf-8")):
        words = shlex.split(entry["command"])
        if f"/{driver}.dir/" in entry["command"] and entry["file"].endswith(".c"):
            yield entry["directory"], entry["file"], words


def gcc(words):
    return ["x86_64-w64-mingw32-gcc"] + [w for w in words[1:] if w not in CLANG_ONLY and not w.startswith("--target")] + [
        "-Wno-cpp", "-g0"]


def arm64(words):
    kept = [w for w in words[1:] if w not in ("-mno-red-zone", "-gcodeview") and not w.startswith("--target")]
    return ["clang-19", "--target=aarch64-w64-windows-gnu", "-D_M_ARM", *kept, "-O1", "-g0", "-isystem", os.path.join(HERE, "arm64"),
            "-isystem", MINGW]


def compile_all(jobs, change, out):
    def one(job):
        number, (directory, source, words) = job
        words = change(words)
        target = os.path.join(out, f"{number}.o")
        words[words.index("-o") + 1] = target
        run = subprocess.run(words, cwd=directory, capture_output=True, text=True)
        lines = [l for l in run.stderr.splitlines() if "error" in l]
        return target if run.returncode == 0 else None, f"{words[0]}: {source}: {lines[0] if lines else run.stderr[:200]}"

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, enumerate(jobs)))
    return [target for target, _ in results if target], [text for target, text in results if not target]


def link_arm64(objects, out):
    modules = {}
    for line in open(os.path.join(HERE, "imports.allow"), encoding="utf-8"):
        parts = line.split("#")[0].split()
        if len(parts) == 3 and parts[1] != "*":
            modules.setdefault(parts[0], []).append(parts[1])
    libraries = []
    for module, names in modules.items():
        definition = os.path.join(out, module + ".def")
        with open(definition, "w", encoding="utf-8") as file:
            file.write(f"LIBRARY {module}\nEXPORTS\n")
            for name in names + ARM64_ADDS.get(module, []):
                file.write(f"{name}{' DATA' if name == 'PsThreadType' else ''}\n")
        library = os.path.join(out, module + ".lib")
        subprocess.run(["llvm-dlltool-19", "-m", "arm64", "-d", definition, "-l", library], check=True)
        libraries.append(library)
    image = os.path.join(out, "driver.sys")
    run = subprocess.run(["lld-link-19", "/driver", "/machine:arm64", "/subsystem:native", "/entry:DriverEntry", "/nodefaultlib",
                          "/lldmingw", f"/out:{image}", *objects, *libraries], capture_output=True, text=True)
    if run.returncode:
        return [l for l in run.stderr.splitlines() if "error" in l][:20] or [run.stderr[:400]]
    headers = subprocess.run(["llvm-readobj-19", "--file-headers", image], capture_output=True, text=True).stdout
    return [] if re.search(r"IMAGE_FILE_MACHINE_ARM64", headers) else ["the linked image is not for ARM64"]


def main():
    if len(sys.argv) != 3:
        print(__doc__.strip())
        return 2
    jobs = list(commands(sys.argv[1], sys.argv[2]))
    if len(jobs) < 10:
        print(f"other_compilers.py: {len(jobs)} sources of {sys.argv[2]} in {sys.argv[1]}")
        print("0 passed, 1 failed, 0 skipped")
        return 1
    failed = 0
    for name, change in (("gcc", gcc), ("arm64", arm64)):
        with tempfile.TemporaryDirectory() as out:
            objects, faults = compile_all(jobs, change, out)
            if name == "arm64" and not faults:
                faults = link_arm64(objects, out)
        for fault in faults:
            print(fault)
        print(f"{name}: {len(objects)} of {len(jobs)} sources compiled" + (" and linked" if name == "arm64" and not faults else ""))
        failed += bool(faults)
    print(f"{2 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
