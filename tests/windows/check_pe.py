#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what is to be shipped for Windows: every .sys, .dll and .exe of a folder.

  hardened    ASLR with high entropy, NX, no section writable and executable at once; drivers: control flow guard with a
              table of its functions, subsystem native 10.0
  described   a version resource; its .pdb beside a driver
  imports     drivers import only what imports.allow lists, whose minimum system is Windows 10 1607 or older; programs
              and libraries only from the modules that it lists

usage: check_pe.py [--self-test] FOLDER      prints one line a fault, then "N passed, N failed, N skipped"
--self-test plants one fault of each kind in a copy of the folder's first driver and fails unless each is found.
"""
import os
import shutil
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOR = (10, 0, 14393)
NAMES = {"2000": (5, 0, 0), "xp": (5, 1, 0), "vista": (6, 0, 0), "7": (6, 1, 0), "8": (6, 2, 0), "8.1": (6, 3, 0),
         "10": (10, 0, 10240), "10-1607": FLOOR}
ASLR, HIGH_ENTROPY, NX, GUARD = 0x40, 0x20, 0x100, 0x4000


class Image:
    """The parts of a PE32+ file that are judged."""

    def __init__(self, path):
        self.data = data = open(path, "rb").read()
        self.pe, = struct.unpack_from("<I", data, 0x3C)
        if data[self.pe:self.pe + 4] != b"PE\0\0" or struct.unpack_from("<H", data, self.pe + 24)[0] != 0x20B:
            raise ValueError("not a 64-bit PE file")
        count, = struct.unpack_from("<H", data, self.pe + 6)
        optional, = struct.unpack_from("<H", data, self.pe + 20)
        self.sections = [struct.unpack_from("<8sIIIIIIHHI", data, self.pe + 24 + optional + 40 * i) for i in range(count)]
        self.os_version = struct.unpack_from("<HH", data, self.pe + 24 + 48)
        self.subsystem, self.flags = struct.unpack_from("<HH", data, self.pe + 24 + 68)

    def directory(self, index):
        return struct.unpack_from("<II", self.data, self.pe + 24 + 112 + 8 * index)

    def at(self, rva):
        for _, size, base, raw_size, raw, *_ in self.sections:
            if base <= rva < base + max(size, raw_size):
                return raw + rva - base
        raise ValueError(f"address {rva:#x} is in no section")

    def text(self, rva):
        place = self.at(rva)
        return self.data[place:self.data.index(b"\0", place)].decode()

    def imports(self):
        rva, size = self.directory(1)
        found = []
        while size:
            lookup, _, _, name, address = struct.unpack_from("<IIIII", self.data, self.at(rva))
            if not name:
                return found
            module, entry = self.text(name).lower(), self.at(lookup or address)
            while True:
                value, = struct.unpack_from("<Q", self.data, entry)
                if not value:
                    break
                found.append((module, f"#{value & 0xffff}" if value >> 63 else self.text(value + 2)))
                entry += 8
            rva += 20
        return found

    def has_version(self):
        rva, size = self.directory(2)
        if not size:
            return False
        place = self.at(rva)
        named, ids = struct.unpack_from("<HH", self.data, place + 12)
        return any(struct.unpack_from("<I", self.data, place + 16 + 8 * i)[0] == 16 for i in range(named, named + ids))

    def guarded_functions(self):
        rva, size = self.directory(10)
        if not size:
            return 0
        place = self.at(rva)
        count, flags = struct.unpack_from("<QI", self.data, place + 136)
        return count if flags & 0x100 else 0  # IMAGE_GUARD_CF_INSTRUMENTED


def allowed():
    """module -> {routine: system}; a routine "*" stands for all."""
    table = {}
    for number, line in enumerate(open(os.path.join(HERE, "imports.allow"), encoding="utf-8"), 1):
        parts = line.split("#")[0].split()
        if not parts:
            continue
        if len(parts) != 3 or parts[2] not in NAMES:
            raise SystemExit(f"imports.allow:{number}: not 'module routine system'")
        table.setdefault(parts[0].lower(), {})[parts[1]] = parts[2]
    return table


def faults_of(path, table):
    try:
        image = Image(path)
    except (ValueError, struct.error) as error:
        return [str(error)]
    driver, faults = path.endswith(".sys"), []
    for bit, name in ((ASLR, "ASLR"), (HIGH_ENTROPY, "high-entropy ASLR"), (NX, "NX")):
        if not image.flags & bit:
            faults.append(f"no {name}")
    for name, *_, flags in image.sections:
        if flags & 0x20000000 and flags & 0x80000000:
            faults.append(f"section {name.rstrip(bytes(1)).decode()} is writable and executable")
    if not image.has_version():
        faults.append("no version resource")
    if driver:
        if not image.flags & GUARD or image.guarded_functions() < 10:
            faults.append("no control flow guard")
        if image.subsystem != 1 or image.os_version < (10, 0):
            faults.append(f"subsystem {image.subsystem} {image.os_version}, not native 10.0")
        if not os.path.exists(path[:-4] + ".pdb"):
            faults.append("no .pdb beside it")
    for module, routine in image.imports():
        rows = table.get(module, {})
        system = rows.get(routine, rows.get("*") if not driver else None)
        if system is None:
            faults.append(f"imports {module}!{routine}, which imports.allow does not list")
        elif NAMES[system] > FLOOR:
            faults.append(f"imports {module}!{routine}, which came with {system}")
    return faults


def self_test(folder):
    driver = next((os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(".sys")), None)
    if not driver:
        print(f"check_pe.py: no driver in {folder}", file=sys.stderr)
        return 1
    image = Image(driver)
    flags_at = image.pe + 24 + 70
    optional, = struct.unpack_from("<H", image.data, image.pe + 20)
    section_flags_at = image.pe + 24 + optional + 36
    name_at = image.data.index(b"ExAllocatePoolWithTag\0")
    plants = {
        "no ASLR": (flags_at, bytes([image.data[flags_at] & ~ASLR])),
        "no high-entropy ASLR": (flags_at, bytes([image.data[flags_at] & ~HIGH_ENTROPY])),
        "no NX": (flags_at + 1, bytes([image.data[flags_at + 1] & ~1])),
        "no control flow guard": (flags_at + 1, bytes([image.data[flags_at + 1] & ~0x40])),
        "is writable and executable": (section_flags_at, struct.pack("<I", 0xe0000020)),
        "no version resource": (image.pe + 24 + 112 + 8 * 2, bytes(8)),
        "not native 10.0": (image.pe + 24 + 68, struct.pack("<H", 3)),
        "which imports.allow does not list": (name_at, b"ExAllocatePool2\0"),
        "no .pdb beside it": None,
        "not a 64-bit PE file": (image.pe, b"XX"),
    }
    missed = 0
    with tempfile.TemporaryDirectory() as copy:
        path = os.path.join(copy, "planted.sys")
        for words, change in plants.items():
            data = bytearray(image.data)
            if change:
                data[change[0]:change[0] + len(change[1])] = change[1]
            open(path, "wb").write(data)
            pdb = path[:-4] + ".pdb"
            if change:
                shutil.copy(driver[:-4] + ".pdb", pdb)
            elif os.path.exists(pdb):
                os.remove(pdb)
            if not any(words in fault for fault in faults_of(path, allowed())):
                print(f"self-test: a fault was not found: {words}")
                missed += 1
    print(f"{len(plants) - missed} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0


def main():
    arguments = [a for a in sys.argv[1:] if a != "--self-test"]
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 2
    if "--self-test" in sys.argv:
        return self_test(arguments[0])
    table, passed, failed = allowed(), 0, 0
    for name in sorted(os.listdir(arguments[0])):
        if not name.endswith((".sys", ".dll", ".exe")):
            continue
        faults = faults_of(os.path.join(arguments[0], name), table)
        for fault in faults:
            print(f"{name}: {fault}")
        passed, failed = passed + (not faults), failed + bool(faults)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
