/* SPDX-License-Identifier: MIT
 *
 * What every compiler can do, gcc included: globals of each kind, subprograms, a legacy map.
 */
#include "bpf.h"

struct legacy {
    u32 type, key_size, value_size, max_entries, flags;
};

struct legacy SEC("maps") table = {1, 4, 8, 16, 0};
struct legacy SEC("maps") counts = {2, 4, 8, 32, 0};

u32 zero_at_start;
u32 counter = 3;
static volatile u32 hidden = 11;
const u32 constants[4] = {1, 2, 3, 4};

static noinline u32 helper(u32 x)
{
    return constants[x & 3] + hidden;
}

SEC("xdp") int entry(struct xdp_md *ctx)
{
    u32 key = ctx->ingress_ifindex;
    u64 *value = bpf_map_lookup_elem(&table, &key);
    if (!value)
        value = bpf_map_lookup_elem(&counts, &key);
    counter++;
    zero_at_start += 2;
    return value ? 1 : 2 + (int)(helper(key) & 0);
}

char license_text[] SEC("license") = "GPL";
