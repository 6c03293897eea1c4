// SPDX-License-Identifier: MIT
// Network event programs of efW's personality: good ones, and bad ones that are refused with the code in their name.
#include "ebpf_netevent_hooks.h"
#include "bpf_helpers.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(max_entries, 64);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 256);
} kinds SEC(".maps");

// Counts events by their first byte, and sends the head of each to user space.
SEC("netevent")
int good_capture(netevent_event_md_t *ctx)
{
    uint8_t head[32];
    uint8_t *data = ctx->data;
    if (data + sizeof head > ctx->data_end)
        return 0;
    __builtin_memcpy(head, data, sizeof head);
    uint32_t kind = head[0];
    uint64_t *count = bpf_map_lookup_elem(&kinds, &kind);
    if (count)
        *count += 1;
    return bpf_perf_event_output(ctx, &events, EBPF_MAP_FLAG_CURRENT_CPU, head, sizeof head);
}

// Reads what describes the event, after a look at where that ends.
SEC("netevent")
int good_meta(netevent_event_md_t *ctx)
{
    uint32_t *meta = (uint32_t *)ctx->data_meta;
    if ((uint8_t *)(meta + 1) > ctx->data)
        return 0;
    return *meta & 1;
}

// Takes the description to be there.
SEC("netevent")
int bad_0203_meta(netevent_event_md_t *ctx)
{
    uint32_t *meta = (uint32_t *)ctx->data_meta;
    return *meta & 1;
}

// Looks at the event's first byte and reads its second.
SEC("netevent")
int bad_0203_next(netevent_event_md_t *ctx)
{
    uint8_t *data = ctx->data;
    if (data + 1 > ctx->data_end)
        return 0;
    return data[1];
}

// Writes the event.
SEC("netevent")
int bad_0207_write(netevent_event_md_t *ctx)
{
    uint8_t *data = ctx->data;
    if (data + 1 > ctx->data_end)
        return 0;
    data[0] = 0;
    return 0;
}
