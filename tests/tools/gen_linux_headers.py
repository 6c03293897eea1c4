#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints include/linux/bpf.h, include/linux/btf.h or one of tests/api/*_layout.inc from an ABI table.

usage: gen_linux_headers.py libbpf_api.tsv bpf.h|btf.h|opts|layout|library include/bpf/*.h

The table has one row per structure, field, enumerator and macro with its offset, size and type.  Fields that share
bytes become anonymous unions; fields of union bpf_attr that serve the same commands become one anonymous structure.
'opts' prints the option structures of the library for pasting; 'layout' the assertions that hold the result to the
table, 'library' those for the structures and enumerations that the library's headers define."""
import collections
import re
import sys

rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])][1:]
wanted = sys.argv[2]
structs, fields, macros, enums, order = {}, collections.defaultdict(list), [], collections.OrderedDict(), []
for row in rows:
    kind, name, member, offset, size, text, extra = (row + [""] * 7)[:7]
    if kind in ("struct", "union"):
        structs[name] = (kind, int(size or 0))
        order.append(name)
    elif kind == "field":
        fields[name].append((member, int(offset), int(size) if size else None, text, extra))
    elif kind == "macro":
        macros.append((name, text.split()[0]))
    elif kind == "enum":
        enums.setdefault(name, []).append((member, int(text.split()[0])))

SCALARS = {"__u8": 1, "__u16": 2, "__be16": 2, "__s16": 2, "__u32": 4, "__be32": 4, "__s32": 4, "__u64": 8, "__s64": 8,
           "int": 4, "bool": 1, "size_t": 8, "long": 8, "char": 1, "unsigned char": 1}


def alignment(field):
    text = field["type"]
    if field["children"]:
        return max(alignment(c) for c in field["children"])
    if "*" in text or text.endswith("_fn_t"):
        return 8
    base = text.split("[")[0].split(" bits")[0]
    if base in SCALARS:
        return SCALARS[base]
    if base.startswith("enum"):
        return 4
    if base.startswith("struct bpf_lpm"):
        return 4
    if base.startswith(("struct", "union")):
        name = base.split()[1]
        return max([alignment(f) for f in tree(name)] or [1])
    raise SystemExit("type? " + text)


def tree(name, which=None):
    top, index = [], {}
    for member, offset, size, text, extra in fields[name]:
        if which is not None and extra != which:
            continue
        if text.startswith("__u64[0]") or text.endswith("[]") or text.endswith("[0]"):
            size = 0
        bits = re.search(r" bits (\d+)-(\d+)", text)
        node = dict(name=member.split(".")[-1], offset=offset, size=size, type=text, children=[],
                    bits=(int(bits[1]), int(bits[2])) if bits else None)
        if node["size"] is None:
            node["size"] = 1 if bits else 0
        parent = index.get(member.rsplit(".", 1)[0]) if "." in member else None
        (parent["children"] if parent else top).append(node)
        index[member] = node
    return top


def declare(field, indent, md):
    pad, text, name = "    " * indent, field["type"], field["name"]
    if field["children"]:
        lines = [pad + ("union {" if text.startswith("union") else "struct {")]
        lines += body(field["children"], indent + 1, field["offset"], md, text.startswith("union"))
        return lines + [pad + "} %s;" % name]
    if field["bits"]:
        low, high = field["bits"]
        return [pad + "%s %s : %d;" % (text.split(" bits")[0], name, high - low + 1)]
    if md and "*" in text:
        return [pad + "__bpf_md_ptr(%s, %s);" % (text, name)]
    array = re.match(r"(.*?)((\[\d*\])+)$", text)
    if array:
        return [pad + "%s %s%s;" % (array[1], name, array[2])]
    if text == "__u64" and md:
        text = "__aligned_u64"
    return [pad + text + ("" if text.endswith("*") else " ") + name + ";"]


def body(members, indent, base, md, union=False):
    pad, lines = "    " * indent, []
    if union:
        for m in members:
            lines += declare(m, indent, md)
        return lines
    clusters = []
    for m in sorted(members, key=lambda m: m["offset"]):
        end = m["offset"] + m["size"]
        if clusters and m["offset"] < clusters[-1]["end"] and not m["bits"]:
            clusters[-1]["members"].append(m)
            clusters[-1]["end"] = max(end, clusters[-1]["end"])
        else:
            clusters.append(dict(start=m["offset"], end=end, members=[m]))
        last = clusters[-1]
        if len(last["members"]) > 1: # a union's size is a multiple of its alignment
            align = max(alignment(member) for member in last["members"])
            last["end"] = (last["end"] + align - 1) // align * align
    at = base
    for cluster in clusters:
        align = max(alignment(m) for m in cluster["members"])
        natural = (at + align - 1) // align * align
        gap = cluster["start"] - at
        if natural != cluster["start"] and not cluster["members"][0]["bits"]:
            while gap > 0:
                step = 4 if gap % 4 == 0 and at % 4 == 0 else 2 if gap % 2 == 0 and at % 2 == 0 else 1
                lines.append(pad + "__u%d : %d;" % (step * 8, step * 8))
                gap, at = gap - step, at + step
        if len(cluster["members"]) == 1:
            lines += declare(cluster["members"][0], indent, md)
        else:
            alternatives = []
            original = [m for m in members if m in cluster["members"]]
            for m in original:
                if alternatives and m["offset"] >= alternatives[-1][-1]["offset"] + alternatives[-1][-1]["size"]:
                    alternatives[-1].append(m)
                else:
                    alternatives.append([m])
            lines.append(pad + "union {")
            for group in alternatives:
                if len(group) == 1 and group[0]["offset"] == cluster["start"]:
                    lines += declare(group[0], indent + 1, md)
                else:
                    lines.append(pad + "    struct {")
                    lines += body(group, indent + 2, cluster["start"], md)
                    lines.append(pad + "    };")
            lines.append(pad + "};")
        at = cluster["end"]
    return lines


def structure(name, md):
    kind, size = structs[name]
    print("%s %s {" % (kind, name))
    if name == "bpf_attr":
        groups = []
        for f in fields[name]:
            if f[4] not in groups:
                groups.append(f[4])
        for group in groups:
            members = tree(name, group)
            if len(members) == 1 and members[0]["children"]:
                print("\n".join(declare(members[0], 1, md)))
            else:
                print("    struct { /* %s */" % ", ".join(g[4:] if i else g for i, g in enumerate(group.split())))
                print("\n".join(body(members, 2, 0, md)))
                print("    };")
    else:
        members = tree(name)
        print("\n".join(body(members, 1, 0, md, kind == "union")))
        align = max([alignment(m) for m in members] or [1])
        end = max([m["offset"] + m["size"] for m in members] or [0])
        for at in range((end + align - 1) // align * align, size, 4):
            if at + 4 <= size and end:
                print("    __u32 : 32;")
    aligned = md and any("__u64" == f[3] for f in fields[name])
    print("}%s;\n" % (" __attribute__((aligned(8)))" if aligned else ""))


def enumeration(name, members):
    print("enum %s{" % ("" if name == "(anonymous)" else name + " "))
    for member, value in members:
        if value < 0:
            text = "-1L" if member == "BPF_F_CURRENT_NETNS" else str(value)
        elif value > 0xffffffff:
            text = hex(value) + "ULL"
        elif value == 0xffffffff:
            text = hex(value) + "ULL"
        elif value > 0x7fffffff:
            text = hex(value) + "U"
        else:
            text = str(value)
        print("    %s = %s," % (member, text))
    print("};\n")


def split(name):
    return order.index(name)


first_btf, last_btf = split("btf_layout"), split("btf_enum64")
bpf_names = [n for n in order[:first_btf]]
btf_names = order[first_btf:last_btf + 1]
opts_names = [n for n in order[last_btf + 1:] if n.endswith(("_opts", "_attr", "_hook", "_skeleton", "_subskeleton"))]
bpf_enums = [n for n in enums if n.startswith(("bpf_", "xdp_action", "sk_action", "tcx_")) and n not in
             ("bpf_tc_attach_point", "bpf_tc_flags", "bpf_perf_event_ret")]


def macro_range(first, last):
    names = [m[0] for m in macros]
    return macros[names.index(first):names.index(last) + 1]


if wanted == "bpf.h":
    print("""/* SPDX-License-Identifier: MIT
 *
 * The bpf() system call as data: commands, their attributes, the numbers of program, map, attach and link types, the
 * contexts that programs see and the infos that objects give.  The ABI is Linux's; this file is printed from a table
 * of offsets and values by tests/tools/gen_linux_headers.py.  Self-contained: BPF programs and applications both
 * include it without a C library's or a kernel's headers.
 */
#ifndef __LINUX_BPF_H__
#define __LINUX_BPF_H__

#include <linux/types.h>
#include <linux/bpf_common.h>

/* A pointer in a program's context: 8 bytes wherever the file is compiled. */
#ifndef __bpf_md_ptr
#define __bpf_md_ptr(type, name)                                                                                       \\
    union {                                                                                                            \\
        type name;                                                                                                     \\
        __u64 : 64;                                                                                                    \\
    } __attribute__((aligned(8)))
#endif
""")
    for name, value in macro_range("BPF_JMP32", "MAX_BPF_REG"):
        if name in ("BPF_JMP32",):
            print("/* Opcode parts beyond bpf_common.h, and src values of lddw and call. */")
        print("#define %s %s" % (name, hex(int(value)) if name != "MAX_BPF_REG" else "__MAX_BPF_REG"))
    for name, value in macro_range("MAX_BPF_ATTACH_TYPE", "BPF_TAG_SIZE"):
        if name == "MAX_BPF_ATTACH_TYPE":
            value = "__MAX_BPF_ATTACH_TYPE"
        elif name == "MAX_BPF_LINK_TYPE":
            value = "__MAX_BPF_LINK_TYPE"
        elif name.startswith("BPF_F_"):
            value = "(1U << %d)" % (int(value).bit_length() - 1) if bin(int(value)).count("1") == 1 else value
        print("#define %s %s" % (name, value))
    print()
    done = set()
    for name in enums:
        if name in bpf_enums:
            enumeration(name, enums[name])
    anonymous = enums["(anonymous)"]
    start = 0
    stop = [i for i, m in enumerate(anonymous) if m[0] == "BTF_KIND_UNKN"][0]
    enumeration("(anonymous)", anonymous[start:stop])
    print("#define __BPF_FUNC_MAPPER(FN) \\\n    " + " \\\n    ".join(
        "FN(%s)" % m[0][len("BPF_FUNC_"):] for m in enums["bpf_func_id"] if m[0].startswith("BPF_FUNC_")) + "\n")
    print("""#define BPF_LINE_INFO_LINE_NUM(line_col) ((line_col) >> 10)
#define BPF_LINE_INFO_LINE_COL(line_col) ((line_col)&0x3ff)
""")
    for name in ("bpf_sock", "bpf_flow_keys"):
        print("struct %s;" % name)
    print()
    for name in bpf_names:
        structure(name, True)
    print("#endif")
elif wanted == "btf.h":
    print("""/* SPDX-License-Identifier: MIT
 *
 * BTF as it is stored (Linux Documentation/bpf/btf.rst).  Printed from a table by tests/tools/gen_linux_headers.py.
 */
#ifndef _UAPI__LINUX_BTF_H__
#define _UAPI__LINUX_BTF_H__

#include <linux/types.h>

#define BTF_MAGIC 0xeB9F
#define BTF_VERSION 1
#define BTF_MAX_TYPE 0x000fffff
#define BTF_MAX_NAME_OFFSET 0x00ffffff
#define BTF_MAX_VLEN 0xffff
""")
    anonymous = enums["(anonymous)"]
    names = [m[0] for m in anonymous]
    enumeration("(anonymous)", anonymous[names.index("BTF_KIND_UNKN"):names.index("BTF_KIND_MAX") + 1])
    enumeration("(anonymous)", anonymous[names.index("BTF_VAR_STATIC"):names.index("BTF_VAR_GLOBAL_EXTERN") + 1])
    enumeration("btf_func_linkage", enums["btf_func_linkage"])
    for name in btf_names:
        structure(name, False)
    print("""/* A type's info word, and the word after an INT. */
#define BTF_INFO_KIND(info) (((info) >> 24) & 0x1f)
#define BTF_INFO_VLEN(info) ((info)&0xffff)
#define BTF_INFO_KFLAG(info) ((info) >> 31)
#define BTF_INT_ENCODING(value) (((value)&0x0f000000) >> 24)
#define BTF_INT_OFFSET(value) (((value)&0x00ff0000) >> 16)
#define BTF_INT_BITS(value) ((value)&0x000000ff)
#define BTF_INT_SIGNED (1 << 0)
#define BTF_INT_CHAR (1 << 1)
#define BTF_INT_BOOL (1 << 2)
/* A member's offset word in a structure whose kind flag is set. */
#define BTF_MEMBER_BITFIELD_SIZE(value) ((value) >> 24)
#define BTF_MEMBER_BIT_OFFSET(value) ((value)&0xffffff)

#endif""")
elif wanted == "opts":
    for name in opts_names:
        structure(name, False)
elif wanted == "layout":
    print("/* SPDX-License-Identifier: MIT\n *\n * What include/linux/bpf.h must lay out; printed by "
          "tests/tools/gen_linux_headers.py. */")
    for name in bpf_names:
        kind, size = structs[name]
        print("SIZE(%s %s, %d)" % (kind, name, size))
        for member, offset, fsize, text, extra in fields[name]:
            if " bits" not in text:
                print("FIELD(%s %s, %s, %d)" % (kind, name, member, offset))
    for name in bpf_enums:
        for member, value in enums[name]:
            print("VALUE(%s, %dLL)" % (member, value))
elif wanted == "library":
    print("/* SPDX-License-Identifier: MIT\n *\n * What include/bpf must lay out; printed by "
          "tests/tools/gen_linux_headers.py. */")
    text = "".join(open(header).read() for header in sys.argv[3:])
    for name in re.findall(r"^(?:struct|union) (\w+) \{", text, re.M):
        kind, size = structs[name]
        print("SIZE(%s %s, %d)" % (kind, name, size))
        for member, offset, fsize, field_type, extra in fields[name]:
            if " bits" not in field_type:
                print("FIELD(%s %s, %s, %d)" % (kind, name, member, offset))
                if fsize:
                    print("WIDTH(%s %s, %s, %d)" % (kind, name, member, fsize))
    for name in re.findall(r"^enum (\w+) \{", text, re.M):
        for member, value in enums.get(name, []):
            print("VALUE(%s, %dLL)" % (member, value))
else:
    raise SystemExit(__doc__)
