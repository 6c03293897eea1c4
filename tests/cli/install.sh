#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs a build into an empty folder and uses it as a stranger would: every installed program runs, and a C program
# and a BPF program compile against nothing but the installed headers and library.   usage: install.sh BUILD-DIR
set -u
build=$1
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
passed=0 failed=0
check() { # check WHAT COMMAND…
    local what=$1
    shift
    if "$@" >"$to/log" 2>&1; then passed=$((passed + 1)); else
        echo "FAIL: $what: $*"
        tail -n 10 "$to/log"
        failed=$((failed + 1))
    fi
}
check "cmake --install" cmake --install "$build" --prefix "$to/usr"
check "winbpf is installed and runs" "$to/usr/bin/winbpf" --version
check "nothing of the benchmarks or tests is installed" bash -c "! find '$to/usr' | grep -E 'rt_winbpf|conformance|/test_|/fuzz_'"
cat >"$to/app.c" <<'E2'
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
int main(void)
{
    unsigned key = 7, value = 42, got = 0;
    int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "ports", 4, 4, 8, NULL);
    if (fd < 0 || bpf_map_update_elem(fd, &key, &value, BPF_ANY) || bpf_map_lookup_elem(fd, &key, &got))
        return 1;
    key = 8;
    int missing = bpf_map_lookup_elem(fd, &key, &got);
    printf("%u %d\n", got, missing);
    return got == 42 && missing == -ENOENT && errno == ENOENT ? 0 : 1;
}
E2
cat >"$to/prog.bpf.c" <<'E2'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int pass(struct xdp_md *ctx) { return XDP_PASS; }
char _license[] SEC("license") = "GPL";
E2
libdir=$(dirname "$(find "$to/usr" -name 'libbpf.so' | head -n 1)")
check "a program builds against the installed library" gcc -Wall -Werror -I"$to/usr/include" "$to/app.c" -o "$to/app" -L"$libdir" -Wl,-rpath,"$libdir" -lbpf
check "and runs" "$to/app"
check "pkg-config knows it" env PKG_CONFIG_PATH="$libdir/pkgconfig" bash -c 'command -v pkg-config >/dev/null || exit 0; pkg-config --cflags --libs libbpf'
check "a BPF program compiles against the installed headers alone" clang -O2 -g -target bpf -I"$to/usr/include/winbpf/bpf-programs" -I"$to/usr/include" -c "$to/prog.bpf.c" -o "$to/prog.o"
check "and winbpf reads it" bash -c "'$to/usr/bin/winbpf' disasm '$to/prog.o' | grep -q exit"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
