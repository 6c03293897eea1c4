#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the computed cases of tests/conformance/cases: each operation at the edges of its values.

The answers come from Python's integers, written down here from RFC 9669 without a look at isa.def, so that the table
and its readers have something independent to agree with.  Usage: gen_conformance_cases.py FOLDER
The cases that stand in no loop below are written by hand and are left alone.
"""
import os
import sys

M64 = (1 << 64) - 1


def mask(width):
    return (1 << width) - 1


def signed(value, width):
    value &= mask(width)
    return value - (1 << width) if value >> (width - 1) else value


def quotient(a, b):
    """Rounded towards zero."""
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


ALU = {
    "add": lambda d, s, w: d + s,
    "sub": lambda d, s, w: d - s,
    "mul": lambda d, s, w: d * s,
    "div": lambda d, s, w: d // s if s else 0,
    "sdiv": lambda d, s, w: quotient(signed(d, w), signed(s, w)) if s else 0,
    "or": lambda d, s, w: d | s,
    "and": lambda d, s, w: d & s,
    "lsh": lambda d, s, w: d << (s % w),
    "rsh": lambda d, s, w: d >> (s % w),
    "mod": lambda d, s, w: d % s if s else d,
    "smod": lambda d, s, w: signed(d, w) - quotient(signed(d, w), signed(s, w)) * signed(s, w) if s else d,
    "xor": lambda d, s, w: d ^ s,
    "mov": lambda d, s, w: s,
    "arsh": lambda d, s, w: signed(d, w) >> (s % w),
}

JMP = {
    "jeq": lambda d, s, w: d == s,
    "jgt": lambda d, s, w: d > s,
    "jge": lambda d, s, w: d >= s,
    "jset": lambda d, s, w: d & s != 0,
    "jne": lambda d, s, w: d != s,
    "jsgt": lambda d, s, w: signed(d, w) > signed(s, w),
    "jsge": lambda d, s, w: signed(d, w) >= signed(s, w),
    "jlt": lambda d, s, w: d < s,
    "jle": lambda d, s, w: d <= s,
    "jslt": lambda d, s, w: signed(d, w) < signed(s, w),
    "jsle": lambda d, s, w: signed(d, w) <= signed(s, w),
}

DST = [0, M64, 0x8000000000000000, 0x80000000, 0x123456789ABCDEF7]
REG = [0, M64, 0x8000000000000000, 0x180000000, 33]
IMM = [0, -1, 33, -0x80000000]
SAME = [0x80000000, 0x123456789ABCDEF7]


class Case:
    """A program that counts its checks in r0 and leaves at the first that fails; 0 at the end."""

    def __init__(self, name, about):
        self.name, self.lines, self.checks, self.extra, self.about = name, [], 0, "", about

    def add(self, *lines):
        self.lines += lines

    def next(self):
        self.checks += 1
        self.lines.append(f"mov %r0, {self.checks}")

    def equal(self, register, value):
        """Leaves unless the register has this value; r5 is lost."""
        self.next()
        self.add(f"lddw %r5, {value & M64:#x}", f"jne {register}, %r5, exit")

    def write(self, folder):
        with open(os.path.join(folder, self.name + ".data"), "w", encoding="ascii") as out:
            out.write("# SPDX-License-Identifier: MIT\n# Written by tests/tools/gen_conformance_cases.py: " + self.about)
            out.write("\n" + self.extra + "-- asm\n" + "\n".join(self.lines + ["mov %r0, 0", "exit"]))
            out.write("\n-- result\n0x0\n")


def alu(folder):
    for name, value in ALU.items():
        for width in (64, 32):
            mnemonic = name + ("32" if width == 32 else "")
            case = Case(mnemonic, f"{mnemonic} at the edges, by constant and by register.")
            m = mask(width)
            for d in DST:
                for s in IMM:
                    case.add(f"lddw %r1, {d:#x}", f"{mnemonic} %r1, {s}")
                    case.equal("%r1", value(d & m, s & m, width) & m)
            for d in DST:
                for s in REG:
                    case.add(f"lddw %r1, {d:#x}", f"lddw %r2, {s:#x}", f"{mnemonic} %r1, %r2")
                    case.equal("%r1", value(d & m, s & m, width) & m)
                    case.add(f"lddw %r5, {s:#x}", "jne %r2, %r5, exit")
            for d in SAME:  # one register as both
                case.add(f"lddw %r4, {d:#x}", f"{mnemonic} %r4, %r4")
                case.equal("%r4", value(d & m, d & m, width) & m)
            # every register in turn as destination and as source (the encodings differ)
            for r, q in ((0, 2), (2, 0), (3, 4), (4, 1), (5, 9), (6, 5), (7, 3), (8, 7), (9, 8), (1, 6)):
                case.add(f"lddw %r{r}, 0x123456789abcdef1", f"mov %r{q}, 5", f"{mnemonic} %r{r}, %r{q}", f"mov %r1, %r{r}")
                case.equal("%r1", value(0x123456789ABCDEF1 & m, 5, width) & m)
            case.write(folder)


def unary(folder):
    case = Case("neg", "negation at the edges, both widths.")
    for d in DST:
        for width in (64, 32):
            case.add(f"lddw %r1, {d:#x}", f"neg{'32' if width == 32 else ''} %r1")
            case.equal("%r1", -d & mask(width))
    case.write(folder)

    case = Case("movsx", "sign-extending moves.")
    for source in (0x80, 0x7F, 0xFF, 0x8000, 0x7FFF, 0xFFFF, 0x80000000, 0x7FFFFFFF, 0x123456789ABCDEF0, M64, 0):
        for bits, width in ((8, 64), (16, 64), (32, 64), (8, 32), (16, 32)):
            case.add("mov %r1, 1", f"lddw %r2, {source:#x}", f"movsx{bits}{width} %r1, %r2")
            case.equal("%r1", signed(source, bits) & mask(width))
            case.add(f"lddw %r8, {source:#x}", f"movsx{bits}{width} %r8, %r8")
            case.equal("%r8", signed(source, bits) & mask(width))
    case.write(folder)

    case = Case("byteorder", "le, be and swap of 16, 32 and 64 bits.")
    for d in (0x0123456789ABCDEF, 0xFEDCBA9876543210, M64, 0x80, 0):
        for bits in (16, 32, 64):
            swapped = int.from_bytes((d & mask(bits)).to_bytes(bits // 8, "little"), "big")
            for name, value in (("le", d & mask(bits)), ("be", swapped), ("swap", swapped)):
                for register in ("%r1", "%r9"):
                    case.add(f"lddw {register}, {d:#x}", f"{name}{bits} {register}")
                    case.equal(register, value)
    case.write(folder)


def jumps(folder):
    for name, holds in JMP.items():
        for width in (64, 32):
            mnemonic = name + ("32" if width == 32 else "")
            case = Case(mnemonic, f"{mnemonic} taken and not, by constant and by register.")
            m = mask(width)
            for d in DST:
                for form, values in (("imm", IMM), ("reg", REG)):
                    for s in values + ([d] if form == "reg" else []):
                        case.add(f"lddw %r1, {d:#x}")
                        if form == "reg":
                            case.add(f"lddw %r7, {s:#x}")
                        operand = "%r7" if form == "reg" else str(s)
                        case.next()
                        if holds(d & m, s & m, width):
                            case.add(f"{mnemonic} %r1, {operand}, +1", "exit")
                        else:
                            case.add(f"{mnemonic} %r1, {operand}, exit")
            case.write(folder)


SIZES = (("b", 8), ("h", 16), ("w", 32), ("dw", 64))


def memory(folder):
    data = bytes((i * 37 + 0x7B) & 255 for i in range(24))
    for name, bits in SIZES:
        n = bits // 8
        case = Case("ldx" + name, f"loads of {bits} bits, plain, sign-extending and acquiring, at every alignment.")
        case.extra = "-- mem\n" + data.hex(" ") + "\n"
        case.add("mov %r6, %r1", "mov %r7, %r1", "add %r7, 24")
        for at in range(24 - n + 1):
            value = int.from_bytes(data[at : at + n], "little")
            case.add(f"ldx{name} %r2, [%r6+{at}]")
            case.equal("%r2", value)
            case.add(f"ldx{name} %r8, [%r7{at - 24}]")
            case.equal("%r8", value)
            if bits < 64:
                case.add(f"ldxs{name} %r2, [%r6+{at}]")
                case.equal("%r2", signed(value, bits) & M64)
                case.add(f"mov %r9, %r6", f"ldxs{name} %r9, [%r9+{at}]")
                case.equal("%r9", signed(value, bits) & M64)
            if at % n == 0:
                case.add(f"ldacq{name} %r3, [%r6+{at}]")
                case.equal("%r3", value)
        case.write(folder)

        case = Case("st" + name, f"stores of {bits} bits, constant, register and releasing, which spare their neighbours.")
        case.extra = "-- mem\n" + data.hex(" ") + "\n"
        case.add("mov %r6, %r1", "lddw %r7, 0x1122334455667788", "lddw %r8, 0xf1f2f3f4f5f6f7f8")
        for base, origin in (("%r6", 0), ("%r10", -24)):
            for at in range(0, 16 - n + 1, 1 if bits < 64 else 4):
                for kind in ("imm", "reg", "rel"):
                    if kind == "rel" and at % n:
                        continue
                    case.add(f"stxdw [{base}{origin:+}], %r7", f"stxdw [{base}{origin + 8:+}], %r7")
                    image = bytearray(0x1122334455667788.to_bytes(8, "little") * 2)
                    if kind == "imm":
                        case.add(f"st{name} [{base}{origin + at:+}], -2")
                        image[at : at + n] = (-2 & mask(bits)).to_bytes(n, "little")
                    else:
                        case.add(f"{'stx' if kind == 'reg' else 'strel'}{name} [{base}{origin + at:+}], %r8")
                        image[at : at + n] = (0xF1F2F3F4F5F6F7F8 & mask(bits)).to_bytes(n, "little")
                    for word in (0, 8):
                        case.add(f"ldxdw %r2, [{base}{origin + word:+}]")
                        case.equal("%r2", int.from_bytes(image[word : word + 8], "little"))
        case.write(folder)


ATOMIC = {
    "add": lambda o, s: o + s,
    "or": lambda o, s: o | s,
    "and": lambda o, s: o & s,
    "xor": lambda o, s: o ^ s,
}


def atomics(folder):
    old = 0xFEDCBA9876543210
    for width in (64, 32):
        suffix = "32" if width == 32 else ""
        m = mask(width)
        case = Case("atomic" + (suffix or "64"), "atomic operations, with and without fetch, in memory and on the stack.")
        case.extra = "-- mem\n" + " ".join(["00"] * 16) + "\n"
        case.add("mov %r6, %r1", "mov %r7, %r10", "add %r7, -32")

        def check(base, at, value):
            """The word holds `value`, the upper half of a 32-bit operation's word and its neighbour are as they were."""
            case.add(f"ldxdw %r2, [{base}{at:+}]")
            case.equal("%r2", (value & m) | (old & ~m & M64))
            case.add(f"ldxdw %r2, [{base}{8 - at:+}]")
            case.equal("%r2", old)

        for base in ("%r6", "%r7", "%r10"):
            for at in (0, 8) if base != "%r10" else (-8,):
                setup = [f"stxdw [{base}{at:+}], %r4"] + ([] if base == "%r10" else [f"stxdw [{base}{8 - at:+}], %r4"])
                for s in (1, 0x8F0F0F0F92345678):
                    for name, value in ATOMIC.items():
                        for fetch in ("", "fetch "):
                            case.add(f"lddw %r4, {old:#x}", *setup, f"lddw %r3, {s:#x}")
                            case.add(f"lock {fetch}{name}{suffix} [{base}{at:+}], %r3")
                            case.equal("%r3", old & m if fetch else s)
                            if base != "%r10":
                                check(base, at, value(old & m, s & m))
                    case.add(f"lddw %r4, {old:#x}", *setup, f"lddw %r3, {s:#x}", f"lock xchg{suffix} [{base}{at:+}], %r3")
                    case.equal("%r3", old & m)
                    if base != "%r10":
                        check(base, at, s)
                    for expected in (old, old ^ 1, old ^ (1 << 40)):
                        matches = expected & m == old & m
                        case.add(f"lddw %r4, {old:#x}", *setup, f"lddw %r3, {s:#x}", f"lddw %r0, {expected:#x}")
                        case.add(f"lock cmpxchg{suffix} [{base}{at:+}], %r3", "mov %r8, %r0", "mov %r9, %r3")
                        case.equal("%r8", old & m)
                        case.equal("%r9", s)
                        if base != "%r10":
                            check(base, at, s if matches else old)
        # the source is the destination's neighbour in the encoding: all registers as source
        for register in (0, 2, 4, 5, 8, 9):
            case.add("lddw %r1, 0x10", "stxdw [%r6], %r1", f"mov %r{register}, 3")
            case.add(f"lock fetch add{suffix} [%r6], %r{register}", f"mov %r3, %r{register}", "ldxdw %r2, [%r6]")
            case.equal("%r3", 0x10)
            case.equal("%r2", 0x13)
        case.write(folder)


def main():
    folder = sys.argv[1]
    for part in (alu, unary, jumps, memory, atomics):
        part(folder)


if __name__ == "__main__":
    main()
