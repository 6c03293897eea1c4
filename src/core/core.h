/* SPDX-License-Identifier: MIT
 *
 * The execution context as a whole: start, stop, and the one door, bpf().  Everything the system can do is a command
 * there (man 2 bpf; include/linux/bpf.h has the numbers and union bpf_attr).
 */
#ifndef WINBPF_CORE_CORE_H
#define WINBPF_CORE_CORE_H

#include <stdint.h>
#include "base/result.h"
#include "core/client.h"
#include "engine/engine.h"

struct core_admission;

struct core_options {
    /* What programs run in that nobody vouches for: &engine_checked everywhere but in tests, which link the engines
     * directly. */
    const struct engine *engine;
    /* Who vouches for programs, and what those run in (core/admit.h).  NULL: nobody; every program is loaded as it is
     * and runs in `engine`. */
    const struct core_admission *admission;
    /* Executable memory for engines that compile to machine code; NULL: none. */
    const struct executable *executable;
};

/* Once, before anything else; the caller then registers maps, helpers and hooks. */
enum result core_start(const struct core_options *options);
/* Detaches and releases everything: pins, links, programs, maps, epochs.  No command is running. */
void core_stop(void);

/* The name of a command ("MAP_CREATE"), NULL for an unknown number. */
const char *core_command_name(uint32_t command);

/* One command.  `attr` is an address in the client's memory, `size` bytes long; larger than ours is legal when the tail
 * is zero (RESULT_TOO_BIG otherwise), smaller too.  *value is what bpf() returns on success (an fd, 0, …). */
enum result core_command(struct client *client, uint32_t command, uint64_t attr, uint32_t size, int64_t *value);

#endif
