// SPDX-License-Identifier: MIT
// Process programs of efW's personality: good ones, and bad ones that are refused with the code in their name.
#include "ebpf_ntos_hooks.h"
#include "bpf_helpers.h"

struct event {
    uint64_t process, parent;
    uint8_t operation;
    uint8_t command[31];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, uint64_t);
    __type(value, uint8_t[64]);
    __uint(max_entries, 256);
} paths SEC(".maps");

// Sends who starts what to user space, with as much of the command line as there is of 31 bytes.
SEC("process")
int good_monitor(process_md_t *ctx)
{
    struct event event = {.process = ctx->process_id, .parent = ctx->parent_process_id, .operation = ctx->operation};
    uint8_t *at = ctx->command_start, *end = ctx->command_end;
#pragma clang loop unroll(disable)
    for (int i = 0; i < 31; i++) {
        if (at + 1 > end)
            break;
        event.command[i] = *at++;
    }
    return bpf_ringbuf_output(&events, &event, sizeof event, 0);
}

// Keeps the path of a process's image.
SEC("process")
int good_path(process_md_t *ctx)
{
    uint8_t path[64] = {0};
    uint64_t process = ctx->process_id;
    if (ctx->operation != PROCESS_OPERATION_CREATE)
        return bpf_map_delete_elem(&paths, &process);
    bpf_process_get_image_path(ctx, path, sizeof path);
    return bpf_map_update_elem(&paths, &process, path, BPF_ANY);
}

// Copies 31 bytes of a command line that may be shorter.
SEC("process")
int bad_0203_command(process_md_t *ctx)
{
    uint8_t *at = ctx->command_start;
    if (at + 30 > ctx->command_end)
        return 0;
    return at[30];
}

// Writes the command line.
SEC("process")
int bad_0207_command(process_md_t *ctx)
{
    uint8_t *at = ctx->command_start;
    if (at + 1 > ctx->command_end)
        return 0;
    at[0] = 0;
    return 0;
}

// Has the image's path written behind its array.
SEC("process")
int bad_0201_path(process_md_t *ctx)
{
    uint8_t path[64] = {0};
    bpf_process_get_image_path(ctx, path, 600);
    return path[0];
}

// Keeps bytes that the helper may not have written.
SEC("process")
int bad_0102_path(process_md_t *ctx)
{
    volatile uint8_t path[64];
    uint64_t process = ctx->process_id;
    path[0] = 0;
    return bpf_map_update_elem(&paths, &process, (void *)path, BPF_ANY);
}

// Says that another process starts.
SEC("process")
int bad_0202_process(process_md_t *ctx)
{
    ctx->parent_process_id = 4;
    return 0;
}
