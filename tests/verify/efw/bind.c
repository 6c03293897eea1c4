// SPDX-License-Identifier: MIT
// Bind programs of efW's personality: good ones, and bad ones that are refused with the code in their name.
#include "ebpf_nethooks.h"
#include "bpf_helpers.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, uint64_t);
    __type(value, uint32_t);
    __uint(max_entries, 64);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

// Denies a process more ports than it may have.
SEC("bind")
int good_quota(bind_md_t *ctx)
{
    uint64_t process = ctx->process_id;
    uint32_t *used = bpf_map_lookup_elem(&ports, &process);
    if (!used) {
        uint32_t none = 0;
        bpf_map_update_elem(&ports, &process, &none, BPF_ANY);
        return BIND_PERMIT_SOFT;
    }
    if (ctx->operation == BIND_OPERATION_BIND && *used >= 10)
        return BIND_DENY;
    if (ctx->operation == BIND_OPERATION_POST_BIND)
        *used += 1;
    if (ctx->operation == BIND_OPERATION_UNBIND && *used)
        *used -= 1;
    return BIND_PERMIT_SOFT;
}

// Says which application binds, as far as its name fits.
SEC("bind")
int good_name(bind_md_t *ctx)
{
    uint8_t name[16] = {0};
    uint8_t *start = ctx->app_id_start, *end = ctx->app_id_end;
    if (start + sizeof name > end)
        return BIND_PERMIT_SOFT;
    for (int i = 0; i < 16; i++)
        name[i] = start[i];
    bpf_ringbuf_output(&events, name, sizeof name, 0);
    return BIND_PERMIT_SOFT;
}

// Sends the socket to another port.
SEC("bind")
int good_redirect(bind_md_t *ctx)
{
    if (ctx->operation != BIND_OPERATION_BIND || ctx->socket_address_length < 4)
        return BIND_PERMIT_SOFT;
    ctx->socket_address[2] = 0x1f;
    ctx->socket_address[3] = 0x90;
    return BIND_REDIRECT;
}

// Takes the application's name to be there.
SEC("bind")
int bad_0203_name(bind_md_t *ctx)
{
    uint16_t *name = (uint16_t *)ctx->app_id_start;
    return name[0] == 'x' ? BIND_DENY : BIND_PERMIT_SOFT;
}

// Writes the application's name.
SEC("bind")
int bad_0207_rename(bind_md_t *ctx)
{
    uint8_t *start = ctx->app_id_start;
    if (start + 2 > ctx->app_id_end)
        return BIND_PERMIT_SOFT;
    start[0] = 'y';
    return BIND_PERMIT_SOFT;
}

// Says that another process binds.
SEC("bind")
int bad_0202_process(bind_md_t *ctx)
{
    ctx->process_id = 4;
    return BIND_PERMIT_SOFT;
}

// Sends bytes of the stack that were never written.
SEC("bind")
int bad_0102_stack(bind_md_t *ctx)
{
    volatile uint8_t name[16];
    name[0] = ctx->protocol;
    bpf_ringbuf_output(&events, (void *)name, sizeof name, 0);
    return BIND_PERMIT_SOFT;
}
