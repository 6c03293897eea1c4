/* SPDX-License-Identifier: MIT
 *
 * The netevent hook's context and helper, as programs of efW's personality see them.
 */
#ifndef WINBPF_EBPF_NETEVENT_HOOKS_H
#define WINBPF_EBPF_NETEVENT_HOOKS_H

#include "ebpf_structs.h"

/* SEC("netevent"): the network stack reports an event, a dropped packet for example. */
typedef struct _netevent_event_md {
    uint8_t *data_meta; /* what describes the event, up to data */
    uint8_t *data;      /* the event, up to data_end */
    uint8_t *data_end;
} netevent_event_md_t;

typedef int netevent_event_hook_t(netevent_event_md_t *context);

typedef enum ebpf_netevent_helper_id_t {
    BPF_FUNC_netevent_push_event = 65536,
} ebpf_netevent_helper_id_t;

#if defined(__bpf__) || defined(__BPF__)
#include "bpf_helpers_platform.h"
/* Hands the event on to whoever reads the hook's events. */
EBPF_HELPER(BPF_FUNC_netevent_push_event, int, bpf_netevent_push_event, netevent_event_md_t *context);
#endif

#endif
