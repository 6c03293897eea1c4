#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes, from the installed Wine, what the overlay cannot commit: Wine's own ntoskrnl.exe as wkrnl.dll, the export list
ntoskrnl.def and the judging thunks thunks.S.

usage: generate.py OUT-DIR OBJECT…     the objects define shim_NAME for each routine that the overlay implements
"""
import os
import re
import struct
import subprocess
import sys

WINE = ["/usr/lib/x86_64-linux-gnu/wine/x86_64-windows", "/usr/lib64/wine/x86_64-windows", "/usr/lib/wine/x86_64-windows"]


def exports(image):
    """Names a PE32+ file exports."""
    data = open(image, "rb").read()
    pe, = struct.unpack_from("<I", data, 0x3C)
    sections, = struct.unpack_from("<H", data, pe + 6)
    optional, = struct.unpack_from("<H", data, pe + 20)
    table, = struct.unpack_from("<I", data, pe + 24 + 112)

    def at(rva):
        for i in range(sections):
            size, base, raw_size, raw = struct.unpack_from("<IIII", data, pe + 24 + optional + 40 * i + 8)
            if base <= rva < base + max(size, raw_size):
                return raw + rva - base
        raise ValueError(f"{image}: address {rva:#x} is in no section")

    start = at(table)
    count, = struct.unpack_from("<I", data, start + 24)
    names, = struct.unpack_from("<I", data, start + 32)
    found = []
    for i in range(count):
        name, = struct.unpack_from("<I", data, at(names) + 4 * i)
        place = at(name)
        found.append(data[place:data.index(b"\0", place)].decode())
    return found


def main():
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 2
    out, objects = sys.argv[1], sys.argv[2:]
    wine = next((os.path.join(d, "ntoskrnl.exe") for d in WINE if os.path.exists(os.path.join(d, "ntoskrnl.exe"))), None)
    if not wine:
        print("generate.py: no Wine with a 64-bit ntoskrnl.exe is installed (package wine64)", file=sys.stderr)
        return 1
    data = bytearray(open(wine, "rb").read())
    if bytes(data[0x40:0x50]) != b"Wine builtin DLL":
        print(f"generate.py: {wine} lacks the builtin marker", file=sys.stderr)
        return 1
    data[0x40:0x50] = bytes(16)
    open(os.path.join(out, "wkrnl.dll"), "wb").write(data)

    here = os.path.dirname(os.path.abspath(__file__))
    theirs = set(exports(wine))
    symbols = subprocess.run(["x86_64-w64-mingw32-nm", *objects], capture_output=True, text=True, check=True).stdout
    shims = set(re.findall(r" T shim_(\w+)", symbols))
    rules = re.findall(r"^RULE\((\w+), (\d)\)", open(os.path.join(here, "rules.def"), encoding="utf-8").read(), re.M)
    listed = {name for name, _ in rules}
    for name in sorted(listed & shims):
        print(f"generate.py: {name} is in rules.def and implemented too", file=sys.stderr)
        return 1
    missing = sorted(listed - theirs)
    if missing:
        print(f"generate.py: rules.def names what this Wine does not export: {', '.join(missing)}", file=sys.stderr)
        return 1
    with open(os.path.join(out, "ntoskrnl.def"), "w", encoding="utf-8") as file:
        file.write("LIBRARY ntoskrnl.exe\nEXPORTS\n")
        for name in sorted(theirs - shims - listed):
            file.write(f"{name} = wkrnl.{name}\n")
        for name in sorted(shims):
            file.write(f"{name} = shim_{name}\n")
        for name in sorted(listed):
            file.write(f"{name} = rule_{name}\n")
    with open(os.path.join(out, "thunks.S"), "w", encoding="utf-8") as file:
        # Keeps the four register arguments and the stack as they are, asks the judge, goes on to Wine's routine.
        file.write(".text\n")
        for index, (name, _) in enumerate(rules):
            file.write(f""".globl rule_{name}
rule_{name}:
    push %rcx
    push %rdx
    push %r8
    push %r9
    mov 32(%rsp), %rdx
    mov ${index}, %ecx
    sub $40, %rsp
    call rule_check
    add $40, %rsp
    pop %r9
    pop %r8
    pop %rdx
    pop %rcx
    jmp *%rax
""")
        file.write(".section .rdata,\"dr\"\n.balign 8\n.globl rule_table\nrule_table:\n")
        for name, irql in rules:
            file.write(f"    .quad name_{name}\n    .quad {irql}\n")
        for name, _ in rules:
            file.write(f"name_{name}: .asciz \"{name}\"\n")
    print(f"{len(theirs)} routines of Wine: {len(shims)} implemented, {len(listed)} judged, "
          f"{len(theirs - shims - listed)} forwarded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
