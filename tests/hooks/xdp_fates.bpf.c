/* SPDX-License-Identifier: MIT
 *
 * Does with a frame what its first byte says: 0 passes it, 1 drops it, 2 sends it back, 3 passes it if the interface
 * is the first, 4 takes eight bytes away and 5 adds as many, and any other returns what is no verdict.  efW's numbers,
 * which a section settles, or Linux's.
 */
#ifdef LINUX_NUMBERS
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
typedef struct xdp_md xdp_md_t;
typedef int xdp_action_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __u8 uint8_t;
#define POINTER(x) ((void *)(long)(x))
enum { NO_VERDICT = 77 };
#else
#include "bpf_helpers.h"
#include "xdp_hooks.h"
#define POINTER(x) (x)
enum { NO_VERDICT = 0 }; /* Linux's ABORTED */
char for_windows[] SEC(".ebpf_for_windows") = "yes";
#endif

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, uint64_t);
} runs SEC(".maps");

SEC("xdp")
xdp_action_t fates(xdp_md_t *context)
{
    const uint8_t *data = POINTER(context->data), *end = POINTER(context->data_end);
    uint32_t key = 0;
    uint64_t *count = bpf_map_lookup_elem(&runs, &key);
    if (count)
        *count += 1;
    if (data + 14 > end)
        return XDP_DROP;
    switch (data[0]) {
    case 0: return XDP_PASS;
    case 1: return XDP_DROP;
    case 2: return XDP_TX;
    case 3: return context->ingress_ifindex == 1 ? XDP_PASS : XDP_DROP;
    case 4: return bpf_xdp_adjust_head(context, 8) ? XDP_DROP : XDP_PASS;
    case 5: return bpf_xdp_adjust_head(context, -8) ? XDP_DROP : XDP_PASS;
    default: return NO_VERDICT;
    }
}

char _license[] SEC("license") = "MIT";
