/* SPDX-License-Identifier: MIT
 *
 * The process hook's context and helper, as programs of efW's personality see them.
 */
#ifndef WINBPF_EBPF_NTOS_HOOKS_H
#define WINBPF_EBPF_NTOS_HOOKS_H

#include "ebpf_structs.h"

/* SEC("process"): a process begins or ends. */
typedef enum _process_operation {
    PROCESS_OPERATION_CREATE,
    PROCESS_OPERATION_DELETE,
} process_operation_t;

typedef struct _process_md {
    uint8_t *command_start; /* the command line, UTF-16, not terminated */
    uint8_t *command_end;
    uint64_t process_id;
    uint64_t parent_process_id;
    uint64_t creating_process_id; /* of the process that asked for it, which need not be the parent */
    uint64_t creating_thread_id;
    process_operation_t operation;
} process_md_t;

typedef int process_hook_t(process_md_t *context);

typedef enum ebpf_process_helper_id_t {
    BPF_FUNC_process_get_image_path = 65536,
} ebpf_process_helper_id_t;

#if defined(__bpf__) || defined(__BPF__)
#include "bpf_helpers_platform.h"
/* Writes the path of the process's image to `path`, of `size` bytes; the length or a negative error. */
EBPF_HELPER(BPF_FUNC_process_get_image_path, int, bpf_process_get_image_path, process_md_t *context, uint8_t *path,
            uint32_t size);
#endif

#endif
