/* SPDX-License-Identifier: MIT
 *
 * A hook: a place where the system calls programs.  A hook provider registers a program contract, a way to run such a
 * program on test data, and how to attach.  The core keeps programs and links; the provider turns events into contexts.
 */
#ifndef WINBPF_CORE_HOOK_H
#define WINBPF_CORE_HOOK_H

#include "contract/contract.h"
#include "core/client.h"
#include "core/epoch.h"
#include "core/object.h"
#include "core/prog.h"

struct link;

/* BPF_PROG_TEST_RUN's buffers, already copied from the client; outputs have their capacities in *_out_size and the
 * true size on return (which may exceed the capacity: RESULT_NO_SPACE then, as Linux does). */
struct test_run {
    const void *data_in, *context_in;
    uint32_t data_in_size, context_in_size;
    void *data_out, *context_out;
    uint32_t data_out_size, context_out_size;
    uint32_t repeat, flags, cpu;
    uint32_t retval, duration; /* out; duration: mean ns a run */
    struct client *client;     /* who may give it up; NULL: nobody */
};

/* The repetitions of a test run, in batches: each one section, on one CPU slot.  A batch is short in time, because a
 * kernel does nothing else on that CPU meanwhile: it grows while it takes less than a millisecond.
 *
 *   struct test_batches batches = {.run = run};
 *   while (test_batch_enter(&batches))
 *       for (uint32_t i = 0; i < batches.size; i++) … run the program once, on batches.cpu …
 *   result = test_batches_end(&batches);     sets run->duration; RESULT_INTERRUPTED when the client gave up */
struct test_batches {
    struct test_run *run;
    struct epoch_state state;
    uint64_t begin, spent;
    uint32_t cpu, size, done, next;
    bool inside, cancelled;
};
bool test_batch_enter(struct test_batches *batches);
enum result test_batches_end(struct test_batches *batches);

struct hook_ops {
    const struct program_contract *contract;
    /* Checks sizes as Linux does for this program type, builds a context, runs `repeat` times. */
    enum result (*test_run)(struct prog *prog, struct test_run *run);
    /* Linux attach types this hook serves, as bits; 0: cannot be attached. */
    uint64_t attach_types;
    /* Makes `link` live at `target` (XDP: interface index).  RESULT_BUSY where the place is taken. */
    enum result (*attach)(struct link *link, uint32_t target, uint32_t flags);
    void (*detach)(struct link *link); /* after it returns, no invocation through this link begins */
};

void hook_register(const struct hook_ops *ops);
/* By the personality's program type number; NULL for none. */
const struct hook_ops *hook_find(enum personality personality, uint32_t prog_type);

/* A program attached to a hook; dies with its last reference or by LINK_DETACH (then it stays, defunct). */
struct link {
    struct object object; /* first */
    struct prog *prog;    /* NULL-able: replaced atomically by LINK_UPDATE */
    const struct hook_ops *hook;
    uint32_t attach_type; /* Linux number */
    uint32_t target;
    bool attached;
    void *provider; /* the provider's own */
    struct epoch_entry retired;
};

#endif
