/* SPDX-License-Identifier: MIT
 *
 * Inside the dispatcher: what a command's handler gets and the few things all of them do.  A handler's attr is a copy;
 * what it writes back for the client goes to `command->attr` plus an offset.
 */
#ifndef WINBPF_CORE_COMMAND_H
#define WINBPF_CORE_COMMAND_H

#include <linux/bpf.h>
#include "base/arena.h"
#include "base/diag.h"
#include "core/client.h"
#include "core/core.h"
#include "core/object.h"

struct command {
    struct client *client;
    uint64_t attr; /* where the client's attr is */
    uint32_t size; /* as much of it as the client has */
};

typedef enum result (*command_handler)(const struct command *command, union bpf_attr *attr, int64_t *value);

enum result command_map_create(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_map_freeze(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_prog_load(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_prog_test_run(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_btf_load(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_link_create(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_link_update(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_link_detach(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_obj_pin(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_obj_get(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_info(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_prog_next(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_map_next(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_btf_next(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_link_next(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_prog_by_id(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_map_by_id(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_btf_by_id(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_link_by_id(const struct command *command, union bpf_attr *attr, int64_t *value);
enum result command_enable_stats(const struct command *command, union bpf_attr *attr, int64_t *value);

/* The five commands on elements, whose attr is the same 32 bytes. */
struct element_attr {
    uint32_t map_fd;
    uint32_t hole;
    uint64_t key, value, flags;
};
enum result command_element(struct client *client, uint32_t command, const struct element_attr *attr);

/* The object of this kind behind a handle, with REF_LOOKUP; RESULT_INVALID for another kind; *object is NULL then.
 * `flags` may be NULL. */
enum result command_object(const struct command *command, int handle, enum object_kind kind, struct object **object,
                           uint32_t *flags);

/* Opens a handle to a new (REF_CREATOR) or found (REF_LOOKUP) object and drops that reference, on failure too. */
enum result command_give(const struct command *command, struct object *object, enum object_reason reason,
                         uint32_t flags, int64_t *value);

/* A copy of `size` bytes at `from`, in `arena`. */
enum result command_read(const struct command *command, struct arena *arena, uint64_t from, size_t size, void **out);

/* Writes a field of the client's attr, if its attr is long enough to have it. */
enum result command_answer(const struct command *command, size_t offset, const void *value, size_t size);

/* BPF_F_RDONLY and BPF_F_WRONLY of a map's or handle's flags; RESULT_INVALID for both. */
enum result command_access(uint32_t flags, uint32_t *access);

/* A log for the client, as PROG_LOAD and BTF_LOAD write one.  It keeps all that is said, up to a limit, and at the end
 * hands over the last part that fits (with BPF_LOG_FIXED the first). */
struct command_log {
    struct diag diag;
    const struct command *command;
    uint32_t level, size;
    uint64_t buffer;
    char *text;
    size_t length, capacity;
    bool broken; /* no memory to keep it */
};
/* RESULT_INVALID for a combination of level, buffer and size that makes no sense. */
enum result command_log_begin(struct command_log *log, const struct command *command, uint32_t level, uint64_t buffer,
                              uint32_t size);
/* Hands the log over and frees it.  Returns `result`, or the log's own failure: RESULT_NO_SPACE, RESULT_FAULT.
 * `true_size_at`: offset in attr where the size that would have sufficed goes. */
enum result command_log_end(struct command_log *log, enum result result, size_t true_size_at);

#endif
