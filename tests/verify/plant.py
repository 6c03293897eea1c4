#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies the verifier with faults planted in it: plant.py SOURCES OUT MUTANTS.

MUTANTS has one fault a paragraph:

    NAME file.c
    - text of the source, on one or more lines, found there once
    + what stands there instead, when the fault is switched on; nothing: nothing

A text that ends in ';' or '}' is statements, any other an expression.  The copies consult `verify_mutant`, the number
of the fault that is on; verify_mutants.h has their names and files.  A text that is not there, or twice, is an error: the
verifier has changed, and the fault must be planted anew.
"""
import pathlib
import re
import sys


def read(path):
    faults = []
    for paragraph in re.split(r"\n\s*\n", pathlib.Path(path).read_text()):
        lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        name, file = lines[0].split()
        old = "\n".join(line[2:] for line in lines[1:] if line.startswith("- ")).strip()
        new = "\n".join(line[2:] for line in lines[1:] if line.startswith("+ ")).strip()
        faults.append((name, file, old, new))
    return faults


def pattern(text):
    """The text with any white space between its words."""
    return re.compile(r"\s+".join(re.escape(word) for word in text.split()))


def main():
    sources, out, faults = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), read(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    failed = False
    places = {}  # (file, text) -> faults there
    for number, (name, file, old, new) in enumerate(faults, 1):
        places.setdefault((file, " ".join(old.split())), []).append((number, name, old, new))
    texts = {path.name: path.read_text() for path in sources.glob("*.c")}
    spans = {}
    for (file, _), group in places.items():
        found = list(pattern(group[0][2]).finditer(texts.get(file, "")))
        if len(found) != 1:
            print(f"{file}: the text of {group[0][1]} is there {len(found)} times: {group[0][2]!r}", file=sys.stderr)
            failed = True
            continue
        spans.setdefault(file, []).append((found[0].start(), found[0].end(), group))
    for file, text in texts.items():
        for start, end, group in sorted(spans.get(file, []), key=lambda span: -span[0]):
            old = text[start:end]
            if old[-1] in ";}":
                chosen = "".join(f"if (verify_mutant == {n}) {{ {new} }} else " for n, _, _, new in group)
                planted = f"{{ {chosen}{{ {old} }} }}"
            else:
                chosen = "".join(f"verify_mutant == {n} ? ({new}) : " for n, _, _, new in group)
                planted = f"({chosen}({old}))"
            text = text[:start] + planted + text[end:]
        line = f"extern int verify_mutant;\n#line 1 \"{sources / file}\"\n"
        if not (out / file).exists() or (out / file).read_text() != line + text:
            (out / file).write_text(line + text)
    (out / "verify_mutants.h").write_text(
        "static const char *const mutant_names[] = {" + ", ".join(f'"{f[0]}"' for f in faults) + "};\n"
        "static const char *const mutant_files[] = {" + ", ".join(f'"{f[1]}"' for f in faults) + "};\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
