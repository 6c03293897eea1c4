/* SPDX-License-Identifier: MIT
 *
 * One of each thing that an object can hold.  test_compilers.c says what must come out.
 */
#include "bpf.h"

struct flow {
    u32 address;
    u16 port, pad;
};

struct {
    __uint(type, 1);
    __uint(max_entries, 64);
    __type(key, struct flow);
    __type(value, u64);
    __uint(map_flags, 1);
} flows SEC(".maps");

struct {
    __uint(type, 2);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __uint(value_size, 16);
    __uint(pinning, 1);
} slots SEC(".maps");

struct {
    __uint(type, 30);
    __uint(max_entries, 100);
    __uint(value_size, 4);
    __ulong(map_extra, 5);
} bloom SEC(".maps");

struct inner {
    __uint(type, 2);
    __uint(max_entries, 8);
    __type(key, u32);
    __type(value, u64);
} first SEC(".maps"), second SEC(".maps");

struct {
    __uint(type, 12);
    __uint(max_entries, 3);
    __type(key, u32);
    __array(values, struct inner);
} outer SEC(".maps") = {.values = {[0] = (void *)&first, [2] = (void *)&second}};

int entry(struct xdp_md *ctx);
int other(struct xdp_md *ctx);

struct {
    __uint(type, 3);
    __uint(max_entries, 2);
    __uint(key_size, 4);
    __array(values, int(void *));
} jumps SEC(".maps") = {.values = {[1] = (void *)&other}};

const volatile u32 limit = 7;
u32 counter = 3;
static volatile u32 hidden = 11;
u64 total;

extern u32 LINUX_KERNEL_VERSION __kconfig;
extern u8 CONFIG_ABSENT __kconfig __weak;
extern const void absent_symbol __ksym __weak;

static noinline u32 leaf(u32 x)
{
    return x * 3 + hidden;
}

static noinline u32 middle(u32 x)
{
    return leaf(x) + leaf(x + 1);
}

noinline u32 shared(u32 x)
{
    return middle(x) ^ counter;
}

static long each(u32 index, void *ctx)
{
    total += index;
    return 0;
}

SEC("xdp") int entry(struct xdp_md *ctx)
{
    struct flow key = {ctx->ingress_ifindex, 1, 0};
    u64 *value = bpf_map_lookup_elem(&flows, &key), one = 1;
    u32 zero = 0;
    void *map;
    if (!value)
        bpf_map_update_elem(&flows, &key, &one, 0);
    bpf_map_lookup_elem(&slots, &zero);
    if ((map = bpf_map_lookup_elem(&outer, &zero)))
        bpf_map_lookup_elem(map, &zero);
    bpf_tail_call(ctx, &jumps, 1);
    bpf_loop(4, each, 0, 0);
    return shared(limit) & 1 ? 1 : 2;
}

SEC("xdp") int other(struct xdp_md *ctx)
{
    if (&absent_symbol)
        return 1;
    total = LINUX_KERNEL_VERSION + CONFIG_ABSENT;
    return leaf((u32)total) & 1 ? 1 : 2;
}

char license_text[] SEC("license") = "Dual MIT/GPL";
u32 version_number SEC("version") = 0x60001;
