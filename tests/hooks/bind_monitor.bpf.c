/* SPDX-License-Identifier: MIT
 *
 * A bind program as efW's users write them: so many binds a process, but root's; and one that moves sockets to port
 * 9000.  With LINUX_NUMBERS it is written for Linux's numbers instead, and says itself what the context looks like.
 */
#ifdef LINUX_NUMBERS
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
typedef struct {
    __u8 *app_id_start, *app_id_end;
    __u64 process_id;
    __u8 socket_address[16];
    __u8 socket_address_length;
    __u32 operation;
    __u8 protocol;
} bind_md_t;
typedef int bind_action_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __u8 uint8_t;
enum { BIND_PERMIT, BIND_DENY, BIND_REDIRECT, BIND_PERMIT_HARD };
enum { BIND_OPERATION_BIND, BIND_OPERATION_POST_BIND, BIND_OPERATION_UNBIND };
#else
#include "bpf_helpers.h"
#include "ebpf_nethooks.h"
#endif

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, uint64_t);
    __type(value, uint32_t);
} binds SEC(".maps");

const volatile uint32_t most = 2;

static int is_root(const bind_md_t *context)
{
    const uint8_t *name = context->app_id_start;
    return name + 4 <= context->app_id_end && name[0] == 'r' && name[1] == 'o' && name[2] == 'o' && name[3] == 't';
}

SEC("bind")
bind_action_t monitor(bind_md_t *context)
{
    uint64_t process = context->process_id;
    uint32_t one = 1, *count;
    if (is_root(context))
        return BIND_PERMIT_HARD;
    count = bpf_map_lookup_elem(&binds, &process);
    switch (context->operation) {
    case BIND_OPERATION_BIND:
        if (!count)
            bpf_map_update_elem(&binds, &process, &one, 0);
        else if (*count >= most)
            return BIND_DENY;
        else
            *count += 1;
        break;
    case BIND_OPERATION_UNBIND:
        if (count && *count)
            *count -= 1;
        break;
    default: break;
    }
    return BIND_PERMIT;
}

#ifdef LINUX_NUMBERS
SEC("bind")
#else
SEC("bind/mover")
#endif
bind_action_t mover(bind_md_t *context)
{
    context->socket_address[2] = 9000 >> 8;
    context->socket_address[3] = 9000 & 255;
    return BIND_REDIRECT;
}

char _license[] SEC("license") = "MIT";
