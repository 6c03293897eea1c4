#!/bin/sh
# SPDX-License-Identifier: MIT
# Map operations from a program, here and in the running kernel, in one run.  Needs root, for bpf(), and clang.
#   bench/maps/run.sh [ENTRIES…]      10000 and 1000000 by default
# BUILD: the build directory (build/linux); CLANG: the compiler (clang-16, else clang); ROUNDS: 15.
# Columns: operation, entries, ns here, ns in the kernel, ratio (below 1: faster here).
set -e
cd "$(dirname "$0")/../.."
build=${BUILD:-build/linux}
[ -f "$build/build.ninja" ] || cmake --preset linux -B "$build" >/dev/null
ninja -C "$build" mapbench >/dev/null
clang=${CLANG:-$(command -v clang-16 || command -v clang)}
object=$build/bench/maps.bpf.o
"$clang" -target bpf -mcpu=v3 -O2 -g -Iinclude -c bench/maps/maps.bpf.c -o "$object"
printf '%-28s %8s %9s %9s %7s\n' operation entries 'ns here' 'ns kernel' ratio
for entries in ${*:-10000 1000000}; do
    "$build/bench/mapbench" "$object" "$entries" "${ROUNDS:-15}"
done
