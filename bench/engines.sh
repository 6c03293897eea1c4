#!/bin/bash
# Times interp, checked and jit on the shared benchmark programs, beside native code and the kernel's JIT, and prints the
# ratios to native clang-16 -O2 per program with their geometric means (without `empty`, which times the call alone).
#   bench/engines.sh [ENGINE…]      env: BUILD=build/linux ROUNDS=61 WINBPF_SHARED=../shared LOAD=1 (load times as well)
set -e
cd "$(dirname "$0")/.."
shared=${WINBPF_SHARED:-../shared}
plugin=${BUILD:-build/linux}/bench/rt_winbpf.so
export BENCH_BUILD=${BENCH_BUILD:-${TMPDIR:-/tmp}/bench-build}
[ -x "$shared/bench/run.sh" ] || { echo "no $shared/bench/run.sh: set WINBPF_SHARED" >&2; exit 1; }
[ -f "$plugin" ] || { echo "no $plugin: build it first, or set BUILD" >&2; exit 1; }
[ $# -gt 0 ] || set -- interp checked jit
out=$(mktemp)
trap 'rm -f "$out"' EXIT
engines=()
for engine in "$@"; do
    engines+=(-e "$engine=$plugin:$engine@v3")
done
"$shared/bench/run.sh" "$out" "${engines[@]}" 2>/dev/null
awk -F '\t' '
    NR == 1 { next }
    !($1 in seen) { seen[$1] = 1; program[++programs] = $1 }
    !($2 in known) { known[$2] = 1; engine[++engines] = $2 }
    { ratio[$1, $2] = $9 == "ok" ? $5 : $9; ns[$1, $2] = $3 }
    $9 == "ok" && $1 != "empty" { logs[$2] += log($5); count[$2]++ }
    END {
        printf "%-12s %10s", "program", "native ns"
        for (e = 2; e <= engines; e++) printf " %13s", engine[e]
        print ""
        for (p = 1; p <= programs; p++) {
            printf "%-12s %10.1f", program[p], ns[program[p], engine[1]]
            for (e = 2; e <= engines; e++) printf " %13s", ratio[program[p], engine[e]]
            print ""
        }
        printf "%-23s", "geometric mean"
        for (e = 2; e <= engines; e++) printf " %13s", count[engine[e]] ? sprintf("%.2f", exp(logs[engine[e]] / count[engine[e]])) : "-"
        print ""
    }' "$out"
if [ -n "$LOAD" ]; then
    gcc -O2 -w "$shared/bench/loadbench.c" -ldl -o "$BENCH_BUILD/loadbench"
    for engine in "$@"; do
        echo "load, $engine:"
        "$BENCH_BUILD/loadbench" "$(realpath "$plugin")" "$engine" "$BENCH_BUILD/v3" | grep -E 'empty|sha256' || true
    done
fi
