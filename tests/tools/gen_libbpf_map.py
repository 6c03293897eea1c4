#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints src/api/libbpf.map: the version script of libbpf.so.1.

usage: gen_libbpf_map.py libbpf_symbols.tsv include/bpf/{bpf,btf,libbpf,libbpf_legacy}.h include/winbpf/winbpf.h

Every function that the headers declare is exported under the version node in which libbpf first had it (a table of
symbol and node); functions of our own under WINBPF_0.1.0."""
import collections
import re
import sys

node_of = dict(line.split() for line in open(sys.argv[1]) if line.strip())
nodes = collections.defaultdict(list)
for header in sys.argv[2:]:
    text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
    for match in re.finditer(r'(?:LIBBPF_API|visibility\("default"\)\)\))\s[^;{}]*?(\w+)\s*\(', text):
        nodes[node_of.get(match[1], "WINBPF_0.1.0")].append(match[1])


def order(node):
    return [0 if node.startswith("LIBBPF") else 1] + [int(n) for n in node.split("_")[1].split(".")]


previous = None
print("/* SPDX-License-Identifier: MIT\n *\n * Exported functions by the version that first had each; printed by "
      "tests/tools/gen_libbpf_map.py. */")
every = sorted(set(node_of.values()) | set(nodes), key=order)
for i, node in enumerate(every):
    print(node + " {")
    if nodes[node]:
        print("global:")
        for name in sorted(set(nodes[node])):
            print("    %s;" % name)
    if i == 0:
        print("local:\n    *;")
    print("}%s;\n" % (" " + previous if previous else ""))
    previous = node
